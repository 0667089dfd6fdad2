"""How an encoder's batches are shared out among the threads of a CPU: whole batches, not parts of a matrix product.

Threads that share a product wait for each other after each of the hundred steps of an encoder. For one sentence that
costs as much as it gains; where other processes want the cores, too, each wait can last until the other thread gets its
turn (docs/benchmarks.md). So each batch is computed by one thread, several at once; only a single one that is large is
shared.

Both that share products are limited: OpenMP and, within torch, MKL, which counts its threads by itself.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
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
    with _alone():
        return [compute(batch) for batch in batches]


@functools.cache
def _workers(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="encoder", initializer=_alone)


def _alone() -> ExitStack:
    """This thread shares its products with no other, until what is returned is closed. `torch.set_num_threads` would
    also set the number of all threads that have not computed yet."""
    torch.get_num_threads()  # at a thread's first call torch sets its number, which later would undo the limit
    limits = ExitStack()
    limits.callback(_limit_mkl, _limit_mkl(1))
    limits.enter_context(_openmp().limit(limits=1))
    return limits


@functools.cache
def _openmp() -> Any:
    return ThreadpoolController().select(user_api="openmp")


def _limit_mkl(threads: int) -> int:
    """How many threads MKL may use for this thread's products (0: as for all); returns how many it might before.

    Without, attention of 48 tokens and more waited for a second thread at each head: 2.2 ms a layer instead of 0.1.
    """
    mkl = _mkl()
    return 0 if mkl is None else int(mkl.MKL_Set_Num_Threads_Local(threads))


@functools.cache
def _mkl() -> ctypes.CDLL | None:
    """The library of torch that has MKL in it; None where torch was built without."""
    file = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    library = ctypes.CDLL(str(file)) if file.is_file() else None
    return library if hasattr(library, "MKL_Set_Num_Threads_Local") else None
