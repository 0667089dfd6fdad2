"""Batches on a CPU are computed by one thread each, several at once, and nothing else changes its threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_core.backends.transformers import threads
from llm_core.backends.transformers.threads import SMALL_BATCH_TOKENS, batches_for, computed

SMALL, LARGE = SMALL_BATCH_TOKENS, SMALL_BATCH_TOKENS + 1


@pytest.fixture(autouse=True, scope="module")
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_of(batches: list[list[int]], tokens: int, device: str = "cpu") -> list[int]:
    return list(computed(lambda batch: torch.get_num_threads(), batches, tokens, device))


def test_a_small_batch_is_computed_by_one_thread_and_the_next_may_have_all() -> None:
    assert threads_of([[0]], SMALL) == [1]
    assert torch.get_num_threads() == 2


def mkl_threads() -> int:
    """How many MKL may use for this thread's products; 0: as for all."""
    found = threads._limit_mkl(0)
    threads._limit_mkl(found)
    return found


@pytest.mark.skipif(threads._mkl() is None, reason="torch was built without MKL")
def test_mkl_counts_by_itself_and_is_limited_too() -> None:
    def seen(batches: list[list[int]], tokens: int) -> list[int]:
        return list(computed(lambda batch: mkl_threads(), batches, tokens, "cpu"))

    before = mkl_threads()
    assert before != 1
    assert seen([[0]], SMALL) == [1]
    assert seen([[0], [1], [2]], LARGE) == [1, 1, 1]
    assert mkl_threads() == before
    assert seen([[0]], LARGE) == [before]

    def fails(batch: list[int]) -> int:
        raise ValueError

    with pytest.raises(ValueError):
        list(computed(fails, [[0]], SMALL, "cpu"))
    assert mkl_threads() == before


def test_it_holds_for_a_thread_that_never_computed() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(threads_of, [[0]], SMALL).result() == [1]


def test_a_single_large_batch_is_shared() -> None:
    assert threads_of([[0]], LARGE) == [2]


def test_several_batches_are_computed_at_once_by_one_thread_each() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def compute(batch: list[int]) -> tuple[list[int], int]:
        meeting.wait()
        return batch, torch.get_num_threads()

    assert list(computed(compute, [[0], [1]], LARGE, "cpu")) == [([0], 1), ([1], 1)]


def test_other_threads_keep_theirs() -> None:
    def look(batch: list[int]) -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    assert list(computed(look, [[0]], SMALL, "cpu")) == [2]
    assert list(computed(look, [[0], [1]], LARGE, "cpu")) == [2, 2]


def test_an_accelerator_computes_one_batch_after_the_other() -> None:
    assert threads_of([[0], [1]], SMALL, "cuda") == [2, 2]


def test_an_error_reaches_the_caller() -> None:
    def fail(batch: list[int]) -> int:
        raise ValueError(batch)

    with pytest.raises(ValueError, match="0"):
        list(computed(fail, [[0], [1]], LARGE, "cpu"))


@given(st.lists(st.integers(1, 600), min_size=1, max_size=40))
def test_every_row_is_in_one_batch_and_both_threads_have_work(lengths: list[int]) -> None:
    batches = batches_for(lengths, "cpu")
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    if len(lengths) > 1 and sum(lengths) > 2 * SMALL_BATCH_TOKENS:
        assert len(batches) > 1
