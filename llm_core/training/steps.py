"""Rows to micro-batches, such that any number of processes makes the same steps of the same rows.

The rows of a step are cut into micro-batches that accelerate deals out in turn. Where an epoch ends in the middle of a
step, the rows that are left are cut evenly: no row is computed twice. The module knows indices, not rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

from torch.utils.data import Sampler

from llm_core.data.batches import cut_evenly


class Ordered(Protocol):
    """An order of rows."""

    def __iter__(self) -> Iterator[int]: ...

    def __len__(self) -> int: ...


class StepBatches(Sampler[list[int]]):
    """Micro-batches of row indices; a batch sampler.

    Args:
        order: Of the rows; its `set_epoch`, if it has one, is called through.
        step_rows: Rows of a step, over all processes.
        micro_batch: Most rows computed at once.
        processes: The number of micro-batches is a multiple of it.
    """

    def __init__(self, order: Ordered, step_rows: int, micro_batch: int, processes: int = 1) -> None:
        self.order, self.step_rows, self.micro_batch, self.processes = order, step_rows, micro_batch, processes

    def set_epoch(self, epoch: int) -> None:
        """Another order for each epoch."""
        if hasattr(self.order, "set_epoch"):
            self.order.set_epoch(epoch)

    def __len__(self) -> int:
        """Micro-batches of an epoch, over all processes."""
        whole, left = divmod(len(self.order), self.step_rows)
        return whole * self._count(self.step_rows) + self._count(left)

    def __iter__(self) -> Iterator[list[int]]:
        """Row indices of each micro-batch."""
        rows = list(self.order)
        for start in range(0, len(rows), self.step_rows):
            yield from self._cut(rows[start : start + self.step_rows])

    def _count(self, rows: int) -> int:
        """Micro-batches of a step; fewer rows than processes make none, and are left out."""
        count = batches_a_step(rows, self.micro_batch, self.processes) * self.processes
        return count if count <= rows else 0

    def _cut(self, rows: Sequence[int]) -> Iterator[list[int]]:
        return cut_evenly(rows, self._count(len(rows)))


def rows_at_once(step_rows: int, micro_batch: int, processes: int) -> int:
    """Rows that a process computes at once: at most its share of a step."""
    return min(micro_batch, math.ceil(step_rows / processes))


def batches_a_step(step_rows: int, micro_batch: int, processes: int) -> int:
    """Micro-batches of a step in each process."""
    return math.ceil(math.ceil(step_rows / micro_batch) / processes)


def steps_of(batches: int, accumulation: int, processes: int) -> int:
    """Steps of the optimiser that an epoch's micro-batches make."""
    return max(1, math.ceil(batches / processes / accumulation))
