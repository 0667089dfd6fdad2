"""`zero_gpu_page`, started and waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.zero_gpu_api import GpuApi

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 90


def environment(api_address: str, folder: Path) -> Mapping[str, str]:
    """That of a Space with ZeroGPU."""
    zero = {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": api_address}
    return {**os.environ, **zero, "ZEROGPU_OFFLOAD_DIR": str(folder / "tensors"), "PYTHONPATH": str(ROOT)}


@contextmanager
def zero_gpu_site(api: GpuApi, folder: Path) -> Iterator[str]:
    """The page's address, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log.txt"
    with log.open("w") as output:
        command = [sys.executable, "-m", "tests.support.zero_gpu_page", str(port)]
        page = subprocess.Popen(command, env=environment(api.address, folder), stdout=output, stderr=output, cwd=ROOT)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(page, address, log)
        yield address
    finally:
        page.terminate()
        page.wait(10)


def _wait(page: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while page.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the page did not start: {log.read_text()[-2000:]}")
