"""The Hub as a deployment of a Space meets it: uploads, and the Space's settings, hardware, stages and logs.

Shapes are those that huggingface_hub 2.4 reads. It breaks connections on demand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.hub_uploads import READ_ONLY, TOKEN, Handler, UploadHub, serving

_ROUTE = re.compile(r"/api/spaces/(?P<repository>[^/]+/[^/]+)/(?P<what>secrets|variables|hardware|sleeptime|settings)")


@dataclass
class SpaceHub(UploadHub):
    """What it holds, how it misbehaves, and what it was asked."""

    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str = "cpu-basic"
    sleep_seconds: int | None = None
    stages: list[str] = field(default_factory=lambda: ["BUILDING", "APP_STARTING", "RUNNING"])
    """After a commit, one an enquiry; the last one stays."""
    stage: str = "NO_APP_FILE"
    log: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of all requests."""
    models: dict[str, dict[str, int]] = field(default_factory=dict)
    """Sizes of a model repository's files, by ``repository@revision``; pull request 7 converts to safetensors."""
    breaks: set[str] = field(default_factory=set)
    """SHA-256 of large files in whose middle the connection breaks."""

    def count(self, fragment: str) -> int:
        """How many requests that change something have a path with `fragment`."""
        return sum(method != "GET" and fragment in path for method, path in self.asked)


class _SpaceHandler(Handler):
    hub: SpaceHub

    def do_GET(self) -> None:
        self._note()
        path = urlsplit(self.path).path
        if path.startswith("/api/models/"):
            return self._send_model(path.removeprefix("/api/models/"))
        repository = "/".join(path.split("/")[3:5])
        if repository not in self.hub.private or self._token != TOKEN:
            return self.answer({"error": "none"}, 404)
        if path.endswith("/runtime"):
            return self.answer(self._runtime(advance=True))
        if path.endswith("/variables"):
            return self.answer({name: {"value": value} for name, value in self.hub.variables.items()})
        if "/logs/" in path:
            return self._send_log()
        self.answer(self._info(repository))

    def do_POST(self) -> None:
        self._note()
        if (match := _ROUTE.fullmatch(self.path)) is None or self._token != TOKEN:
            if self.path == "/api/repos/create" and self.hub.private and self._token == TOKEN:
                self.rfile.read(int(self.headers["content-length"]))
                return self.answer({"error": "there", "url": f"{self.hub.base_url}/spaces/ann/demo"}, 409)
            return super().do_POST()
        self._set(match["what"], self._body())
        self.answer(self._runtime(advance=False) if match["what"] in ("hardware", "sleeptime") else {})

    def do_PUT(self) -> None:
        self._note()
        if _ROUTE.fullmatch(self.path):
            self.hub.private["ann/demo"] = self._body()["visibility"] == "private"
            return self.answer({})
        if self.path.rpartition("/")[2] in self.hub.breaks:
            self.rfile.read(100)
            self.close_connection = True
            return self.connection.close()
        super().do_PUT()

    def _note(self) -> None:
        self.hub.asked.append((self.command, self.path))

    @property
    def _token(self) -> str:
        return str(self.headers.get("authorization", "")).removeprefix("Bearer ")

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        return body

    def _set(self, what: str, body: dict[str, Any]) -> None:
        if what in ("secrets", "variables"):
            getattr(self.hub, what)[body["key"]] = body["value"]
        elif what == "hardware":
            self.hub.hardware = body["flavor"]
            self.hub.sleep_seconds = body.get("sleepTimeSeconds")
        else:
            self.hub.sleep_seconds = body["seconds"]

    def _runtime(self, *, advance: bool) -> dict[str, Any]:
        if advance and self.hub.commits and self.hub.stages:
            self.hub.stage = self.hub.stages.pop(0)
        return {
            "stage": self.hub.stage,
            "hardware": {"current": None, "requested": self.hub.hardware},
            "gcTimeout": self.hub.sleep_seconds,
            "sha": self.hub.commit,
        }

    def _info(self, repository: str) -> dict[str, Any]:
        prefix = f"{repository}/"
        names = [name.removeprefix(prefix) for name in self.hub.files if name.startswith(prefix)]
        return {
            "id": repository,
            "sha": self.hub.commit,
            "private": self.hub.private[repository],
            "siblings": [{"rfilename": name} for name in (".gitattributes", *names)],
        }

    def _send_model(self, path: str) -> None:
        if path.endswith("/discussions"):
            title = "Adding `safetensors` variant of this model"
            made = {
                "num": 7,
                "author": {"name": "SFconvertbot"},
                "title": title,
                "isPullRequest": True,
                "status": "open",
            }
            return self.answer({"discussions": [made], "count": 1, "start": 0})
        repository, _, revision = unquote(path).partition("/revision/")
        if (files := self.hub.models.get(f"{repository}@{revision}")) is None:
            return self.answer({"error": "none"}, 404)
        siblings = [{"rfilename": name, "size": size} for name, size in files.items()]
        commit = revision if len(revision) == 40 else "c" * 40
        self.answer({"id": repository, "sha": commit, "siblings": siblings})

    def _send_log(self) -> None:
        stamp = "2026-01-01T00:00:00.000Z"
        events = [f"data: {json.dumps({'data': line, 'timestamp': stamp})}\n\n" for line in self.hub.log]
        body = "".join(events).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def hosting_spaces() -> Iterator[SpaceHub]:
    """A running server on a free port of this machine."""
    with serving(SpaceHub(), _SpaceHandler) as hub:
        yield hub


__all__ = ["READ_ONLY", "TOKEN", "SpaceHub", "hosting_spaces"]
