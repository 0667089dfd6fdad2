"""What a second worker of Ray gains on a table (``run sentiment FILE``), and what a second process gains without Ray.

Three ways, each command whole and with one thread a process: one process; two plain processes with half the rows each,
side by side; two workers of Ray. The plain processes tell what the machine has to give in this minute. Where others use
it too, seconds compare luck; CPU time does not, so it is summed over all processes of a way, Ray's own included, and
what two workers would gain on two cores of their own follows from it. A table of few rows tells what is start. Needs
``requirements-ray.txt``.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, NamedTuple

import psutil

from llm_core.bench.figures import Figure
from llm_core.errors import BackendError, InputError
from llm_core.kept_blocks import BLOCK_ROWS
from llm_core.settings import REPOSITORY_ROOT, Settings

MODEL = "sentiment-en"
_WORDS = (
    "the film was good bad slow bright loved hated it all of my friends said that this phone is great but broke after "
    "two days service staff never again would come back food warm cold price fair sound picture battery long short"
).split()
_FEW = 2 * BLOCK_ROWS
"""A block for each worker."""
_POLL_SECONDS = 0.2
_NAMES = {"one": "one process", "plain": "two plain processes", "ray": "two workers of Ray"}


class Cost(NamedTuple):
    """Of one way."""

    seconds: float
    cpu_seconds: float
    """Of all its processes."""


Ways = dict[str, Cost]
"""By the names of `_NAMES`."""


def measure(settings: Settings, rows: int = 10_000, rounds: int = 3) -> list[Figure]:
    """Seconds, CPU seconds and gains, as medians over the rounds; `settings` are not needed.

    Raises:
        InputError: Ray is not installed.
        BackendError: A process fails.
    """
    if find_spec("ray") is None:
        raise InputError("bench", "ray needs an extra: pip install -r requirements-ray.txt")
    few, whole = [], []
    with TemporaryDirectory() as name:
        for number in range(rounds):
            few.append(_round(Path(name), _FEW, number))
            whole.append(_round(Path(name), rows, number))
            print(f"round {number + 1}: {_told(_FEW, few[-1])}; {_told(rows, whole[-1])}", file=sys.stderr)
    return [*_figures(_FEW, few), *_figures(rows, whole), *_gains(few, whole)]


def _figures(rows: int, rounds: Sequence[Ways]) -> list[Figure]:
    return [
        figure
        for way, name in _NAMES.items()
        for figure in (
            Figure(f"{rows} rows, {name}", median(each[way].seconds for each in rounds), "s", ""),
            Figure(f"{rows} rows, {name}: CPU", median(each[way].cpu_seconds for each in rounds), "s", ""),
        )
    ]


def _gains(few: Sequence[Ways], whole: Sequence[Ways]) -> list[Figure]:
    def gain(way: str, other: str = "one") -> float:
        return median(each[other].seconds / each[way].seconds for each in whole)

    def further(way: str) -> float:
        """CPU seconds of the rows beyond the few."""
        return median(all_[way].cpu_seconds - start[way].cpu_seconds for start, all_ in zip(few, whole, strict=True))

    return [
        Figure("gain of two plain processes", gain("plain"), "×", ""),
        Figure("gain of two workers of Ray", gain("ray"), "×", "≥ 1.6 ×"),
        Figure("two workers of Ray / two plain processes", gain("ray", "plain"), "×", ""),
        Figure("gain on cores of their own, plain, after the start", 2 * further("one") / further("plain"), "×", ""),
        Figure("gain on cores of their own, Ray, after the start", 2 * further("one") / further("ray"), "×", "≥ 1.6 ×"),
    ]


def _round(folder: Path, rows: int, number: int) -> Ways:
    """Each way once, in an order that turns from round to round."""
    whole, halves = folder / "whole.csv", [folder / "first.csv", folder / "second.csv"]
    lines = _reviews(rows)
    _write(whole, lines)
    for half, part in zip(halves, (lines[: rows // 2], lines[rows // 2 :]), strict=True):
        _write(half, part)
    ways: list[tuple[str, Callable[[], Cost]]] = [
        ("one", lambda: _run([[str(whole)]], threads=1)),
        ("plain", lambda: _run([[str(half)] for half in halves], threads=1)),
        ("ray", lambda: _run([[str(whole), "--engine", "ray", "--workers", "2"]], threads=2)),
    ]
    turn = number % len(ways)
    return {way: run() for way, run in ways[turn:] + ways[:turn]}


def _run(arguments: Sequence[Sequence[str]], threads: int) -> Cost:
    """Commands side by side, until all have ended.

    Raises:
        BackendError: One fails.
    """
    command = [sys.executable, "-m", "llm_core", "run", "sentiment", "--model", MODEL]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT), "LLM_CORE_THREADS": str(threads)}
    began, spent = time.monotonic(), dict[psutil.Process, float]()
    with TemporaryFile("w+") as said:
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": said, "env": environment}
        processes = [psutil.Popen([*command, *each, "--output", f"{each[0]}.out.csv"], **quiet) for each in arguments]
        while any(process.poll() is None for process in processes):
            for process in processes:
                spent |= _cpu_seconds(process)
            time.sleep(_POLL_SECONDS)
        if any(process.returncode for process in processes):
            said.seek(0)
            raise BackendError(f"a run of the table failed: {said.read()[-500:]}")
    return Cost(time.monotonic() - began, sum(spent.values()))


def _cpu_seconds(process: psutil.Process) -> dict[psutil.Process, float]:
    """Of a process and those below it, as far as they live."""
    found = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                found[each] = float(times.user + times.system)
    return found


def _reviews(rows: int) -> list[str]:
    draw = random.Random(0)
    return [" ".join(draw.choices(_WORDS, k=draw.randint(8, 40))) for _ in range(rows)]


def _write(file: Path, lines: Sequence[str]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([line] for line in lines)])


def _told(rows: int, ways: Ways) -> str:
    costs = (f"{way} {cost.seconds:.1f} s, CPU {cost.cpu_seconds:.1f} s" for way, cost in ways.items())
    return f"{rows} rows: " + ", ".join(costs)
