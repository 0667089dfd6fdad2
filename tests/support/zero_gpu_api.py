"""What lends GPUs on a Space with ZeroGPU, as the package `spaces` 0.51 asks it (its `zero/api.py`)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class GpuApi:
    """What it answers, and what it was asked."""

    address: str = ""
    left_seconds: int | None = None
    """Of the visitor's quota, where it is used up."""
    wait_seconds: int = 0
    """Until there is quota again; below 0: what was asked for is more than is ever lent."""
    status: int = 200
    """Of ``/schedule``, unless the quota is used up."""
    idle: bool = False
    """Whether the worker of the call before is still there to be used again."""
    waits: threading.Event | None = None
    """Who asks waits for it, in the queue."""
    scheduled: list[dict[str, str]] = field(default_factory=list)
    """What was asked for, by parameter."""
    released: list[dict[str, str]] = field(default_factory=list)
    allowed: list[int] = field(default_factory=list)
    """Processes that got a GPU."""
    started: int = 0
    """Reports of a start."""


@contextmanager
def lending_gpus(**fields: Any) -> Iterator[GpuApi]:
    """The server, until the block ends."""
    api = GpuApi(**fields)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    api.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    api: GpuApi

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        given = dict(parse_qsl(parts.query))
        match parts.path:
            case "/startup-report":
                self.api.started += 1
                self._answer(200)
            case "/schedule":
                self.api.scheduled.append(given)
                self._schedule()
            case "/allow":
                self.api.allowed.append(int(given["pid"]))
                self._answer(200)
            case "/release":
                self.api.released.append(given)
                self._answer(200)
            case _:
                self._answer(404)

    def _schedule(self) -> None:
        if self.api.left_seconds is not None:
            quota = {"left": self.api.left_seconds, "wait": self.api.wait_seconds}
            return self._answer(429, quota, {"X-Authenticated": "regular"})
        number = len(self.api.scheduled)
        lent = {"idle": self.api.idle, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": f"token-{number}"}
        if self.api.waits is None:
            return self._answer(self.api.status, lent)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("X-Queuing-Reason", "node")
        self.end_headers()
        self._event("event: ping")
        if self.api.waits.wait(30):
            self._event(f"event: succeeded\ndata: {json.dumps(lent)}")

    def _event(self, text: str) -> None:
        self.wfile.write(f"{text}\n\n".encode())
        self.wfile.flush()

    def _answer(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""
