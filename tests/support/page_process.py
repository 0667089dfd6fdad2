"""Pages that are processes of their own, because what a Space is told is in its environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from llm_core.bench.page import free_port

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 90


def zero_gpu(api_address: str, folder: Path) -> Mapping[str, str]:
    """What a Space with ZeroGPU is told."""
    told = {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": api_address}
    return {**told, "ZEROGPU_OFFLOAD_DIR": str(folder / "tensors")}


def environment(told: Mapping[str, str]) -> Mapping[str, str]:
    """This process's, with that."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **told}


@contextmanager
def page_process(
    module: str, told: Mapping[str, str], folder: Path, *arguments: str, port: int | None = None
) -> Iterator[str]:
    """Address of the page that ``python -m tests.support.MODULE PORT …`` serves, until the block ends.

    Args:
        module: Its name.
        told: See `environment`.
        folder: For its log.
        arguments: After the port.
        port: Default: a free one.
    """
    port = port or free_port()
    log = folder / "log.txt"
    with log.open("w") as output:
        command = [sys.executable, "-m", f"tests.support.{module}", str(port), *arguments]
        page = subprocess.Popen(
            command, env=environment(told), stdout=output, stderr=output, cwd=ROOT, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(page, address, log)
        yield address
    finally:
        page.terminate()
        page.wait(10)
        with contextlib.suppress(ProcessLookupError):  # what it forked is not ended with it
            os.killpg(page.pid, signal.SIGKILL)


def _wait(page: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while page.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the page did not start: {log.read_text()[-2000:]}")
