"""How an encoder's batches are shared out among the threads of a CPU: whole batches, not parts of a matrix product.

Threads that share a product wait for each other after each of the hundred steps of an encoder. For one sentence that
costs as much as it gains; where other processes want the cores, too, each wait can last until the other thread gets its
turn (docs/benchmarks.md). So each batch is computed by one thread, several at once; only a single one that is large is
shared.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController

from llm_core.backends.transformers.token_batches import (
    ACCELERATOR_BATCH_TOKENS,
    CPU_BATCH_TOKENS,
    batches_by_length,
    padded_length,
)

SMALL_BATCH_TOKENS = 128
"""Padding included. What is smaller is not worth a second thread."""

ResultT = TypeVar("ResultT")


def batches_for(lengths: Sequence[int], device: str) -> list[list[int]]:
    """Indices of rows in batches for a device, see `batches_by_length`; on a CPU at least one for each thread, as far
    as there is enough for them."""
    if device != "cpu":
        return list(batches_by_length(lengths, ACCELERATOR_BATCH_TOKENS))
    share = -(-sum(map(padded_length, lengths)) // torch.get_num_threads())
    return list(batches_by_length(lengths, min(CPU_BATCH_TOKENS, max(SMALL_BATCH_TOKENS, share))))


def computed(
    compute: Callable[[list[int]], ResultT], batches: Sequence[list[int]], tokens: int, device: str
) -> Iterable[ResultT]:
    """What `compute` makes of each batch, in order.

    Args:
        compute: Called from several threads on a CPU.
        batches: See `batches_for`.
        tokens: Of all of them.
        device: torch device.
    """
    if device != "cpu" or (len(batches) == 1 and tokens > SMALL_BATCH_TOKENS):
        return map(compute, batches)
    if len(batches) > 1:
        return _workers(torch.get_num_threads()).map(compute, batches)
    torch.get_num_threads()  # at a thread's first call torch sets its number, which later would undo the limit
    with _openmp().limit(limits=1):
        return [compute(batch) for batch in batches]


@functools.cache
def _workers(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="encoder", initializer=_compute_alone)


def _compute_alone() -> None:
    """This thread shares its products with no other, for good. `torch.set_num_threads` would also set the number of all
    threads that have not computed yet."""
    torch.get_num_threads()
    _openmp().limit(limits=1)


@functools.cache
def _openmp() -> Any:
    return ThreadpoolController().select(user_api="openmp")
