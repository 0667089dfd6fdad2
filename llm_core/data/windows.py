"""Windows: pieces of texts too long for a model, each knowing the row that it is of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Window(Protocol):
    """What windows of every task have."""

    @property
    def row(self) -> int:
        """Index of the row it comes from."""


def windows_by_row(windows: Iterable[Window], rows: int) -> list[list[int]]:
    """For each of so many rows the indices of its windows, in order."""
    found: list[list[int]] = [[] for _ in range(rows)]
    for index, window in enumerate(windows):
        found[window.row].append(index)
    return found
