"""Running Python that a model wrote: a process of its own with limits on time, memory, files, processes and network.

What holds it, strongest first:

- **Kernel limits** (setrlimit): CPU time, address space, size of a file, open files, processes and threads.
- **Namespaces** (Linux, where users may make them): no network device at all, and a process table of its own that
  vanishes with the run, so that nothing started inside outlives it. A root caller's program runs as nobody.
- **An audit hook** (PEP 578): sockets, foreign code (ctypes), signals, writing outside the working directory and,
  unless allowed, starting processes raise an error. Where there are no namespaces, it is all that bars the network.

It guards against mistakes of honest programs: endless loops, runaway memory, stray files, a call home. **It is no
security boundary against hostile code**: the hook can be undone from inside, files that everyone may read can be read,
many small files can be written, and kernel faults are not in its hands. For hostile code use a virtual machine.

A program sees only the standard library (``-I -S``: no site packages, no user settings, an almost empty environment),
an empty working directory that is wiped afterwards, and no input. Needs a POSIX system.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from llm_core._sandbox_child import MEMORY, NO_START, NOBODY, REFUSED, TIMEOUT
from llm_core.errors import BackendError, InputError

Status = Literal["passed", "failed", "timeout", "memory", "refused"]
_CHILD = Path(__file__).with_name("_sandbox_child.py")
_GRACE_SECONDS = 2.0
"""After its wall time the run should have ended itself; then it is killed from here."""
_CUT = b"\n[...]\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use.

    Raises:
        InputError: A limit is below its minimum.
    """

    cpu_seconds: int = 5
    """Of each process; at least 1."""
    wall_seconds: float = 10.0
    memory_bytes: int = 512 * 2**20
    """Address space of each process; the interpreter itself takes about 20 MB. At least 64 MiB."""
    file_bytes: int = 16 * 2**20
    """Of each file it writes."""
    output_bytes: int = 64 * 2**10
    """Of standard output and of standard error that are kept: the first and the last half."""
    processes: int = 0
    """Processes and threads it may start; 0: no processes, and 16 threads."""

    def __post_init__(self) -> None:
        minimum = {"cpu_seconds": 1, "memory_bytes": 64 * 2**20, "file_bytes": 0, "output_bytes": 2, "processes": 0}
        for name, least in minimum.items():
            if getattr(self, name) < least:
                raise InputError(name, f"must be at least {least}", getattr(self, name))
        if self.wall_seconds <= 0:
            raise InputError("wall_seconds", "must be positive", self.wall_seconds)


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """How a run ended."""

    status: Status
    """``passed``: it ran to its end or exited with 0. ``memory``: an uncaught MemoryError. ``refused``: it asked for
    what is not allowed, and did not catch the error."""
    stdout: str
    stderr: str
    """With the traceback of an uncaught error."""
    seconds: float
    """Wall time, interpreter start (about 0.05 s) included."""


def run_python(source: str, limits: Limits = DEFAULT_LIMITS) -> SandboxResult:
    """Run a program.

    Args:
        source: Python source text; it runs as ``__main__``.
        limits: What it may use.

    Raises:
        BackendError: The sandbox itself could not be set up; nothing was run.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sandbox-") as directory:
        _prepare(Path(directory), source)
        command = [_interpreter(), "-I", "-S", "-B", "-X", "utf8", str(_CHILD), json.dumps(asdict(limits))]
        process = subprocess.Popen(
            command, cwd=directory, env=_environment(directory), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        with process:
            try:
                stdout, stderr = _output(process, began + limits.wall_seconds + _GRACE_SECONDS, limits.output_bytes)
            finally:
                in_time = _end(process)
    if process.returncode == NO_START:
        raise BackendError(f"the sandbox could not be set up: {stderr.strip()}")
    status = _STATUS.get(process.returncode, "failed") if in_time else "timeout"
    return SandboxResult(status, stdout, stderr, time.monotonic() - began)


_STATUS: dict[int, Status] = {0: "passed", TIMEOUT: "timeout", MEMORY: "memory", REFUSED: "refused"}


def _interpreter() -> str:
    """The interpreter behind a virtual environment, whose own site packages are not seen."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _environment(directory: str) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": directory, "TMPDIR": directory, "LANG": "C.UTF-8"}


def _prepare(directory: Path, source: str) -> None:
    program = directory / "main.py"
    program.write_text(source, encoding="utf-8", newline="")
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # as in the child: then root runs it
            for path in (directory, program):
                shutil.chown(path, NOBODY, NOBODY)


def _end(process: subprocess.Popen[bytes]) -> bool:
    """Make sure that the run is over; whether it had ended by itself."""
    try:
        process.wait(0.2)
        in_time = True
    except subprocess.TimeoutExpired:
        in_time = False
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of them have ended
    return in_time


def _output(process: subprocess.Popen[bytes], deadline: float, limit: int) -> tuple[str, str]:
    """Both streams, each cut to `limit` bytes, read until they end, the process does, or the deadline passes."""
    assert process.stdout is not None and process.stderr is not None
    kept = {stream: _Kept(limit) for stream in (process.stdout, process.stderr)}
    with selectors.DefaultSelector() as selector:
        for stream in kept:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() < deadline:
            ready = selector.select(timeout=0.05)
            for key, _ in ready:
                _read(selector, key.fileobj, kept)  # type: ignore[arg-type]
            if not ready and process.poll() is not None:
                break  # something it left behind still holds the streams
    return kept[process.stdout].text(), kept[process.stderr].text()


def _read(selector: selectors.BaseSelector, stream: IO[bytes], kept: dict[IO[bytes], _Kept]) -> None:
    data = os.read(stream.fileno(), 65536)
    kept[stream].add(data)
    if not data:
        selector.unregister(stream)


class _Kept:
    """The first and the last half of a stream's `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head, self._tail = b"", b""
        self._cut = False

    def add(self, data: bytes) -> None:
        room = self._half - len(self._head)
        self._head += data[:room]
        tail = self._tail + data[room:]
        self._cut |= len(tail) > self._half
        self._tail = tail[-self._half :]

    def text(self) -> str:
        whole = self._head + (_CUT if self._cut else b"") + self._tail
        return whole.decode("utf-8", errors="replace")
