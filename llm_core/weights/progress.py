"""Telling how far a download is: to a callback, or with a bar on a terminal when there is no callback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

ProgressCallback = Callable[[str, int, int], None]
"""Called with (file name, bytes done, bytes in all)."""


@contextmanager
def reporting(progress: ProgressCallback | None) -> Iterator[ProgressCallback]:
    """`progress` itself, or else bars on the terminal, or else nothing where standard error is no terminal."""
    if progress is not None:
        yield progress
        return
    bars = _Bars()
    try:
        yield bars if sys.stderr.isatty() else _nothing
    finally:
        bars.close()


def _nothing(name: str, done: int, total: int) -> None:
    """Where nobody looks."""


class _Bars:
    """One bar a file, made at its first report."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm[None]] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        if name not in self._bars:
            self._bars[name] = tqdm(desc=name, total=total, unit="B", unit_scale=True, mininterval=0.2)
        bar = self._bars[name]
        bar.update(done - bar.n)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()
