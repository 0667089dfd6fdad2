"""The page as its visitors meet it: a process of its own on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from llm_core.errors import BackendError
from llm_core.settings import REPOSITORY_ROOT

_PATIENCE_SECONDS = 60.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_page(program: Sequence[str] = ("app.py",), **environment: str) -> Iterator[tuple[str, float, int]]:
    """Start the page; gives its address, the seconds from process start to the first page served, and its process.

    Args:
        program: What Python runs; it takes ``--host`` and ``--port``.
        environment: Variables to set.

    Raises:
        BackendError: It was not served within a minute.
    """
    port = free_port()
    command = [sys.executable, *program, "--host", "127.0.0.1", "--port", str(port)]
    started = time.monotonic()
    variables = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "0", **environment}
    process = subprocess.Popen(command, cwd=REPOSITORY_ROOT, env=variables, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait_until_served(address, process)
        yield address, time.monotonic() - started, process.pid
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_until_loaded(address: str) -> None:
    """Returns once the models that are loaded in advance are there.

    Args:
        address: Of a page, with the slash at its end.

    Raises:
        BackendError: They were not there within a minute.
    """
    if not _answers(f"{address}readyz", lambda: True):
        raise BackendError(f"the models were not loaded within {_PATIENCE_SECONDS:g} s")


def _wait_until_served(address: str, process: subprocess.Popen[bytes]) -> None:
    if not _answers(address, lambda: process.poll() is None):
        raise BackendError(f"the page was not served within {_PATIENCE_SECONDS:g} s")


def _answers(address: str, runs: Callable[[], bool]) -> bool:
    """Whether it answered with 200, in time and while the process ran."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and runs():
        try:
            with urllib.request.urlopen(address, timeout=1) as response:
                if response.status == 200:
                    return True
        except OSError:
            time.sleep(0.02)
    return False
