"""A server that takes uploads as the Hub does: create a repository, ask how to upload, large files, one commit.

It takes jobs, too, and keeps what was asked. Only what ``huggingface_hub`` needs for `create_repo`, `upload_folder` and
`run_job`, with one valid token.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: UploadHub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token != TOKEN:
            return self._json({"error": "no"}, 403 if token == READ_ONLY else 401)
        if self.path == "/api/repos/create":
            return self._create(json.loads(body))
        if self.path == "/api/validate-yaml":  # the front matter of a card
            return self._json({"errors": [], "warnings": []})
        if re.fullmatch(r"/api/models/(.+)/preupload/main", self.path):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(body)["files"]
            ]
            return self._json({"files": files})
        if self.path.endswith(".git/info/lfs/objects/batch"):
            return self._large(json.loads(body))
        if match := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            return self._commit(match[1], [json.loads(line) for line in body.decode().splitlines()])
        if match := re.fullmatch(r"/api/jobs/([^/]+)", self.path):
            return self._run_job(match[1], json.loads(body))
        self._json({"error": self.path}, 404)

    def do_GET(self) -> None:
        self._json({"error": "none"}, 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.hub.large[self.path.rpartition("/")[2]] = body
        self._json({})

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def _create(self, asked: dict[str, Any]) -> None:
        repository = f"{asked.get('organization') or 'ann'}/{asked['name']}"
        self.hub.private[repository] = asked.get("private") or asked.get("visibility") == "private"
        self._json({"url": f"{self.hub.base_url}/{repository}", "id": "1", "name": repository})

    def _large(self, asked: dict[str, Any]) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.base_url}/store/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repository: str, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.hub.files[f"{repository}/{value['path']}"] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[f"{repository}/{value['path']}"] = self.hub.large[value["oid"]]
        oid = "0" * 40
        self._json({"commitUrl": f"{self.hub.base_url}/{repository}/commit/{oid}", "commitOid": oid})

    def _run_job(self, namespace: str, asked: dict[str, Any]) -> None:
        if asked["flavor"] not in ("cpu-basic", "a100x4"):
            return self._json({"error": "Invalid flavor"}, 400)
        self.hub.jobs.append({**asked, "namespace": namespace})
        owner = {"id": "2", "name": namespace, "type": "user"}
        kept = {name: value for name, value in asked.items() if name != "secrets"}
        status = {"stage": "SCHEDULING", "message": None}
        self._json({**kept, "id": "687f", "createdAt": "2026-01-01T00:00:00.000Z", "owner": owner, "status": status})

    def _json(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def taking_uploads() -> Iterator[UploadHub]:
    """A running server on a free port of this machine."""
    hub = UploadHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
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
