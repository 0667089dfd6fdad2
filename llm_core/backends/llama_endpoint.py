"""The private HTTP endpoint that a llama.cpp server opens, used for what its Python API lacks: tokenizing.

xllamacpp always listens. We let it listen on a UNIX socket inside a folder that only this user can enter, so that no
port is open; where there are no UNIX sockets, on a free port of the loopback interface. Either way each request needs a
key that is drawn at random.

The module knows nothing of prompts, sampling or models.
"""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import socket
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_core.errors import BackendError

_MAX_SOCKET_PATH = 100
"""The kernel allows 104 to 108 bytes, by system."""
_LOOPBACK = "127.0.0.1"
_SECONDS = 30.0


class LlamaEndpoint:
    """Where a server listens, and how to ask it."""

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(32)
        self._address = ""
        self._folder = _private_folder()
        if self._folder is not None:
            self._cleanup = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def hostname(self) -> str:
        """What the server should bind to: a socket's path, or the loopback address."""
        return _LOOPBACK if self._folder is None else str(self._folder / "llama.sock")

    def opened(self, address: str) -> None:
        """Remember the address the server says it listens on, such as ``unix:///…`` or ``http://127.0.0.1:1234``."""
        self._address = address

    def close(self) -> None:
        """Remove the socket's folder."""
        if self._folder is not None:
            self._cleanup()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send JSON, receive JSON.

        Raises:
            BackendError: The server does not answer, or answers with an error.
        """
        connection = self._connection()
        try:
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise BackendError(f"llama.cpp's server does not answer ({type(error).__name__})") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise BackendError(f"llama.cpp's server refused {path} (status {response.status})")
        answer: dict[str, Any] = json.loads(content)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._folder is not None:
            return _UnixConnection(self.hostname)
        return http.client.HTTPConnection(self._address.removeprefix("http://"), timeout=_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _private_folder() -> Path | None:
    """A new folder of mode 0700 with a path short enough for a socket; ``None`` where sockets have no paths."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    folder = Path(tempfile.mkdtemp(prefix="llm-core-"))
    if len(str(folder / "llama.sock")) <= _MAX_SOCKET_PATH:
        return folder
    folder.rmdir()
    return None
