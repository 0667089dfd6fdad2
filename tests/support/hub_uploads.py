"""A server that takes uploads as the Hub does: create a repository, ask how to upload, large files, one commit.

It takes jobs, too, and keeps what was asked. Only what ``huggingface_hub`` needs for `create_repo`, `upload_folder`,
`CommitScheduler` and `run_job`, with one valid token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from huggingface_hub.utils.sha import git_hash

LARGE = (".safetensors", ".gguf", ".bin", ".model", ".spm", ".png")
TOKEN = "hf_writes"
READ_ONLY = "hf_reads"


@dataclass
class UploadHub:
    """What was uploaded."""

    base_url: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    """By repository."""
    files: dict[str, bytes] = field(default_factory=dict)
    """By ``repository/path``."""
    large: dict[str, bytes] = field(default_factory=dict)
    """By SHA-256."""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    """What was asked to run, with the ``namespace``."""
    commits: list[list[dict[str, Any]]] = field(default_factory=list)
    """What each changed, as it came."""

    @property
    def commit(self) -> str:
        """Name of the newest one."""
        return f"{len(self.commits):040x}"


HubT = TypeVar("HubT", bound=UploadHub)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    hub: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token != TOKEN:
            return self.answer({"error": "no"}, 403 if token == READ_ONLY else 401)
        if self.path == "/api/repos/create":
            return self._create(json.loads(body))
        if self.path == "/api/validate-yaml":  # the front matter of a card
            return self.answer({"errors": [], "warnings": []})
        if match := re.fullmatch(r"/api/(?:models|spaces|datasets)/(.+)/preupload/main", self.path):
            asked = json.loads(body)["files"]
            return self.answer({"files": [self._upload_mode(match[1], file["path"]) for file in asked]})
        if self.path.endswith(".git/info/lfs/objects/batch"):
            return self._large(json.loads(body))
        if match := re.fullmatch(r"/api/(?:models|spaces|datasets)/(.+)/commit/main", self.path):
            return self._commit(match[1], [json.loads(line) for line in body.decode().splitlines()])
        if match := re.fullmatch(r"/api/jobs/([^/]+)", self.path):
            return self._run_job(match[1], json.loads(body))
        self.answer({"error": self.path}, 404)

    def do_GET(self) -> None:
        self.answer({"error": "none"}, 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.hub.large[self.path.rpartition("/")[2]] = body
        self.answer({})

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def _upload_mode(self, repository: str, path: str) -> dict[str, object]:
        mode = "lfs" if path.endswith(LARGE) else "regular"
        there = self.hub.files.get(f"{repository}/{path}")
        oid = None if there is None else hashlib.sha256(there).hexdigest() if mode == "lfs" else git_hash(there)
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _create(self, asked: dict[str, Any]) -> None:
        repository = f"{asked.get('organization') or 'ann'}/{asked['name']}"
        self.hub.private[repository] = asked.get("private") or asked.get("visibility") == "private"
        self.answer({"url": f"{self.hub.base_url}/{repository}", "id": "1", "name": repository})

    def _large(self, asked: dict[str, Any]) -> None:
        upload = f"{self.hub.base_url}/store/"
        objects = [
            one if one["oid"] in self.hub.large else {**one, "actions": {"upload": {"href": upload + one["oid"]}}}
            for one in asked["objects"]
        ]
        self.answer({"transfer": "basic", "objects": objects})

    def _commit(self, repository: str, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.hub.files[f"{repository}/{value['path']}"] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[f"{repository}/{value['path']}"] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.hub.files[f"{repository}/{value['path']}"]
        self.hub.commits.append([line for line in lines if line["key"] != "header"])
        oid = self.hub.commit
        self.answer({"commitUrl": f"{self.hub.base_url}/{repository}/commit/{oid}", "commitOid": oid})

    def _run_job(self, namespace: str, asked: dict[str, Any]) -> None:
        if asked["flavor"] not in ("cpu-basic", "a100x4"):
            return self.answer({"error": "Invalid flavor"}, 400)
        self.hub.jobs.append({**asked, "namespace": namespace})
        owner = {"id": "2", "name": namespace, "type": "user"}
        kept = {name: value for name, value in asked.items() if name != "secrets"}
        status = {"stage": "SCHEDULING", "message": None}
        self.answer({**kept, "id": "687f", "createdAt": "2026-01-01T00:00:00.000Z", "owner": owner, "status": status})

    def answer(self, value: object, status: int = 200) -> None:
        """JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def taking_uploads() -> Iterator[UploadHub]:
    """A running server on a free port of this machine."""
    with serving(UploadHub(), Handler) as hub:
        yield hub


@contextmanager
def serving(hub: HubT, handler: type[Handler]) -> Iterator[HubT]:
    """As `taking_uploads`, with a hub and a handler that do more."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"hub": hub}))
    server.daemon_threads, server.block_on_close = True, False
    hub.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="upload-hub")
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
