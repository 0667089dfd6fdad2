"""Starting, following and stopping the process that trains.

It has limits from the kernel (memory, CPU time, size of a file), a low priority, a session of its own, and an almost
empty environment: no token, no setting, no network. It computes on the CPU, whatever accelerator serves the page.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from llm_core.training.jobs.job import BUDGET_SECONDS, Job, State

MEMORY_BYTES = 4 * 2**30
"""Of private memory; a worker that trains all of MiniLM takes less than half of it."""
FILE_BYTES = 2**30
WALL_SECONDS = 2 * BUDGET_SECONDS
"""Start, steps, export and measuring together; then it is killed."""
STOP_SECONDS = 30.0
"""Given to write a checkpoint when it is asked to stop; then it is killed."""
_NICENESS = 10
_POLL_SECONDS = 0.2
_ROOT = Path(__file__).parents[3]


def follow(folder: Path, stopped: Callable[[], bool]) -> Iterator[State]:
    """Run the worker of a folder that a job was written to, and give its states until one has `ended`.

    A generator that is closed early takes its worker with it.

    Args:
        folder: The job's.
        stopped: Whether the worker is to stop, with a checkpoint.
    """
    State().write(folder)
    process = _start(folder, Job.read(folder).threads)
    ends_at, asked = time.monotonic() + WALL_SECONDS, False
    last: State | None = None
    try:
        while process.poll() is None:
            if stopped() and not asked:
                process.send_signal(signal.SIGTERM)
                asked, ends_at = True, min(ends_at, time.monotonic() + STOP_SECONDS)
            if time.monotonic() > ends_at:
                break
            if (state := State.read(folder)) != last and not state.ended:
                last = state
                yield state
            time.sleep(_POLL_SECONDS)
        late = process.poll() is None
    finally:
        _kill(process)
    state = State.read(folder)
    yield state if state.ended else _broken_off(state, late, asked)


def _broken_off(state: State, late: bool, asked: bool) -> State:
    """What is to be said of a worker that could not say it itself."""
    if asked:
        return State("stopped", state.step, state.steps)
    why = (
        f"it took longer than {WALL_SECONDS:.0f} s"
        if late
        else "it needed more memory or time than a training may have"
    )
    return State("failed", state.step, state.steps, error=why)


def _start(folder: Path, threads: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "llm_core.training.jobs.worker", str(folder)]
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=_ROOT, env=_environment(folder, threads), stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    # Set from here: a function that runs between fork and exec is not safe where there are threads.
    for name, limit in (("RLIMIT_DATA", MEMORY_BYTES), ("RLIMIT_FSIZE", FILE_BYTES), ("RLIMIT_CORE", 0),
                        ("RLIMIT_CPU", int(WALL_SECONDS * threads))):  # fmt: skip
        if hasattr(resource, "prlimit"):
            resource.prlimit(process.pid, getattr(resource, name), (limit, limit))
    os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
    return process


def _environment(folder: Path, threads: int) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
    }


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended
    process.wait()
