"""A local server that speaks the Hugging Face Hub's protocol as huggingface_hub 2.4 uses it, and misbehaves on demand.

It serves model-info (``/api/models/REPO/revision/REV``), pull requests (``/api/models/REPO/discussions``) and files
(``/REPO/resolve/REV/FILE``, HEAD and GET, ranges, ETag and commit headers). Every request is counted.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
_ROUTE = re.compile(r"^/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)$")
_API = re.compile(r"^/api/models/(?P<repo>[^/]+/[^/]+)(?:/(?P<what>revision|discussions))?(?:/(?P<revision>.+))?$")


@dataclass
class Repository:
    """Files by commit; `refs` name commits."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    pull_requests: list[dict[str, Any]] = field(default_factory=list)
    gated: bool = False

    def resolve(self, revision: str) -> str | None:
        commit = self.refs.get(revision, revision)
        return commit if commit in self.commits else None


class HubServer:
    """The server's state: what it holds, how it misbehaves, what it was asked.

    Attributes:
        base_url: Address, for `Settings.hub_endpoint`.
        requests: Number of requests by (method, path).
        drop_at: For a file name, offsets in the file at which the connection breaks, one a request.
        fail: For a file name (or ``"api"``), status codes to answer with first, one a request.
        stall: Names of files that are never sent.
        store_url: Address of another server that holds the files; GETs of files are redirected there, as the Hub does.
        pause: Seconds between pieces of 16 KB of a file, to be caught in the middle.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: Counter[tuple[str, str]] = Counter()
        self.ranges: list[str] = []
        self.tokens: set[str] = set()
        self.drop_at: dict[str, list[int]] = {}
        self.fail: dict[str, list[int]] = {}
        self.stall: set[str] = set()
        self.pause = 0.0
        self.store_url = ""
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.base_url = ""

    def add(self, repo: str, files: dict[str, bytes], commit: str = COMMIT, ref: str = "main") -> Repository:
        """Put files under a commit, and point `ref` to it."""
        repository = self.repositories.setdefault(repo, Repository())
        repository.commits[commit] = dict(files)
        repository.refs[ref] = commit
        return repository

    def gets(self, name: str) -> int:
        """How often a file was fetched."""
        asked = self.requests.items()
        return sum(count for (method, path), count in asked if method == "GET" and path.endswith("/" + name))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Tests read `requests`, not a log."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        with self.hub.lock:
            self.hub.requests[(self.command, path)] += 1
            if token := self.headers.get("authorization"):
                self.hub.tokens.add(token)
        if (api := _API.match(path)) is not None:
            self._api(**api.groupdict())
        elif (route := _ROUTE.match(unquote_once(self.path))) is not None:
            self._file(unquote(route["repo"]), unquote(route["revision"]), unquote(route["name"]))
        else:
            self._send(200, b"a hub")

    def _api(self, repo: str, what: str | None, revision: str | None) -> None:
        repository = self.hub.repositories.get(repo)
        if self._fails("api"):
            return
        if repository is None or repository.gated:
            status, code = (401, "RepoNotFound") if repository is None else (403, "GatedRepo")
            self._send(status, b"{}", {"X-Error-Code": code})
        elif what == "discussions":
            self._json({"discussions": repository.pull_requests, "count": len(repository.pull_requests), "start": 0})
        elif (commit := repository.resolve(revision or "main")) is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            siblings = [_sibling(*item) for item in repository.commits[commit].items()]
            self._json({"id": repo, "sha": commit, "siblings": siblings})

    def _file(self, repo: str, revision: str, name: str) -> None:
        repository = self.hub.repositories.get(repo)
        commit = repository.resolve(revision) if repository else None
        if self._fails(name):
            return
        if repository is None or commit is None or name not in repository.commits[commit]:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound" if commit else "RevisionNotFound"})
            return
        content = repository.commits[commit][name]
        if self.hub.store_url:
            self._send(302, b"", {"Location": self.hub.store_url + self.path, "X-Repo-Commit": commit})
            return
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"X-Repo-Commit": commit, "ETag": etag, "Accept-Ranges": "bytes"}
        start = self._start(len(content))
        if start > 0:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(206 if start > 0 else 200, len(content) - start, headers)
        if self.command == "GET":
            self._body(name, content, start)

    def _body(self, name: str, content: bytes, start: int) -> None:
        if name in self.hub.stall:
            self.hub.released.wait(30)
        drops = self.hub.drop_at.get(name, [])
        end = drops.pop(0) if drops else len(content)
        try:
            for at in range(start, end, 16384):
                self.wfile.write(content[at : min(at + 16384, end)])
                time.sleep(self.hub.pause)
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            return
        if end < len(content):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _start(self, size: int) -> int:
        asked = re.match(r"bytes=(\d+)-$", self.headers.get("range", ""))
        if asked is None:
            return 0
        with self.hub.lock:
            self.hub.ranges.append(asked[0])
        return min(int(asked[1]), size)

    def _fails(self, key: str) -> bool:
        codes = self.hub.fail.get(key, [])
        if not codes:
            return False
        self._send(codes.pop(0), b"")
        return True

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(body), headers or {})
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def unquote_once(target: str) -> str:
    """The path as sent: a revision such as ``refs%2Fpr%2F1`` stays one segment."""
    return urlsplit(target).path


def _sibling(name: str, content: bytes) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
    if name.endswith((".safetensors", ".bin", ".gguf")):
        sibling["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return sibling


@contextmanager
def serving() -> Iterator[HubServer]:
    """A running server on a free port of this machine."""
    hub = HubServer()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    hub.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="hub-server")
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
