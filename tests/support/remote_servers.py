"""Servers that speak the OpenAI protocol: real ones in processes of their own, and one that fails on demand."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from llm_core.bench.page import free_port
from llm_core.catalog import Catalog, load_catalog
from llm_core.endpoints import Endpoint, RemoteModel, RemoteModels
from llm_core.engine import Engine
from llm_core.runtimes import LazyRuntimes
from llm_core.settings import Settings
from llm_core.weights import WeightStore
from tests.support.echo import EchoBackend

START_SECONDS = 90.0
_LLAMA = """
import sys, threading, xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.n_ctx, p.n_parallel, p.port, p.hostnames = sys.argv[1], 1024, 2, int(sys.argv[2]), ["127.0.0.1"]
p.cpuparams.n_threads, p.verbosity, p.ui = 1, 0, False
if "embeddings" in sys.argv:
    p.embedding, p.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    p.kv_unified = True  # else texts of one batch disturb one another where there are several slots
server = xllamacpp.Server(p)
threading.Event().wait()
"""


@dataclass
class FaultyServer:
    """Answers with the words of `words`, to ``/embeddings`` with `letter_counts`, or does what its fields say; they may
    be changed while it runs."""

    words: Sequence[str] = ("Once ", "upon ", "a ", "time.")
    status: int = 200
    """Of answers; an error has `message`."""
    message: str = "no"
    retry_after: str = ""
    garbage: bytes = b""
    """Instead of an event stream."""
    silent: bool = False
    """Takes the request and never answers."""
    cut_after: int | None = None
    """Closes the connection after so many words."""
    seconds_per_word: float = 0.0
    healthy: bool = True
    finish: str | None = "stop"
    usage: dict[str, int] | None = None
    dimensions: int = 26
    """Of embeddings."""
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Of all requests so far."""
    headers: list[dict[str, str]] = field(default_factory=list)
    abandoned: int = 0
    """Requests whose client left before the end."""
    running: int = 0
    most_at_once: int = 0


class _Handler(BaseHTTPRequestHandler):
    server_state: FaultyServer

    def do_GET(self) -> None:
        self._send(200 if self.server_state.healthy else 503, b"{}")

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        state.bodies.append(body)
        state.headers.append({name.lower(): value for name, value in self.headers.items()})
        state.running += 1
        state.most_at_once = max(state.most_at_once, state.running)
        try:
            self._answer(state, body)
        except OSError:
            state.abandoned += 1
        finally:
            state.running -= 1

    def _answer(self, state: FaultyServer, body: dict[str, Any]) -> None:
        if state.silent:
            self._wait_until_left(30.0)
        elif state.status != 200:
            self._send(state.status, json.dumps({"error": {"message": state.message}}).encode())
        elif state.garbage:
            self._send(200, state.garbage)
        elif self.path.endswith("/embeddings"):
            self._wait_until_left(state.seconds_per_word)
            vectors = [letter_counts(text)[: state.dimensions] for text in body["input"]]
            entries = [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]
            self._send(200, json.dumps({"data": entries[::-1]}).encode())  # the protocol promises no order
        else:
            self._stream(state)

    def _stream(self, state: FaultyServer) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        chat = self.path.endswith("/chat/completions")
        words = state.words[: state.cut_after]
        for word in words:
            self._wait_until_left(state.seconds_per_word)
            self._event({"choices": [{"delta": {"content": word}} if chat else {"text": word}]})
        if state.cut_after is not None:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._event({"choices": [{"delta": {}, "finish_reason": state.finish}]})
        if state.usage:
            self._event({"choices": [], "usage": state.usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _wait_until_left(self, seconds: float) -> None:
        """Wait, or raise as soon as the client closes the connection."""
        if not seconds:
            return
        self.connection.settimeout(seconds)
        try:
            if self.connection.recv(1) == b"":
                raise ConnectionResetError
        except TimeoutError:
            pass
        finally:
            self.connection.settimeout(None)

    def _event(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        if self.server_state.retry_after:
            self.send_header("retry-after", self.server_state.retry_after)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def letter_counts(text: str) -> list[float]:
    """How often each letter from a to z is in a text, plus one."""
    return [1.0 + text.lower().count(chr(ord("a") + place)) for place in range(26)]


@contextlib.contextmanager
def faulty(**fields: Any) -> Iterator[FaultyServer]:
    """A running server; `url` goes up to ``/v1``."""
    state = FaultyServer(**fields)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Running:
    """A real server."""

    url: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def llama_server(gguf: Path, *options: str) -> Iterator[Running]:
    """llama.cpp's own HTTP server (package xllamacpp); with the option ``embeddings`` it embeds, and writes nothing."""
    port = free_port()
    with _process([sys.executable, "-c", _LLAMA, str(gguf), str(port), *options], port) as running:
        yield running


@contextlib.contextmanager
def transformers_serve(directory: Path) -> Iterator[Running]:
    """``transformers serve`` with a local checkpoint."""
    port = free_port()
    transformers = str(Path(sys.executable).with_name("transformers"))
    command = [transformers, "serve", str(directory), "--port", str(port), "--device", "cpu"]
    with _process(command, port) as running:
        yield running


@contextlib.contextmanager
def _process(command: list[str], port: int) -> Iterator[Running]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield Running(f"http://127.0.0.1:{port}/v1", process)
    finally:
        process.kill()
        process.wait(timeout=10)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(url, timeout=2) as response:
                if response.status == 200:
                    return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args} did not start")


def remote_model(*urls: str, **fields: Any) -> RemoteModel:
    """A remote model on endpoints ``a``, ``b`` … with short times."""
    endpoints = tuple(Endpoint(name=name, base_url=url) for name, url in zip("abcdef", urls, strict=False))
    defaults = {
        "model": "stories", "title": "Stories", "context_length": 1024, "silence_seconds": 2.0, "health_seconds": 0.3,
        "endpoints": endpoints,
    }  # fmt: skip
    return RemoteModel(**{**defaults, **fields})


def remote_engine(model: RemoteModel, *others: Any, **settings: Any) -> Engine:
    """An engine with the remote model ``far``, and echo entries or those of the catalogue by id."""
    known = load_catalog()
    specs = [known[other] if isinstance(other, str) else other for other in others]
    remote = RemoteModels(models={"far": model})
    catalog = remote.added_to(Catalog({spec.id: spec for spec in specs}))
    chosen = Settings(offline=True, **{"memory_budget_bytes": 1 << 30, **settings})
    weights = WeightStore(chosen, catalog)
    lazy = LazyRuntimes(chosen, catalog, weights, remote)
    backends = {**{name: lazy[name] for name in ("remote", "llama_cpp")}, "echo": EchoBackend()}
    return Engine(catalog, weights, chosen, backends)
