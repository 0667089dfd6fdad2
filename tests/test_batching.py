"""Micro-batches: what is merged, what is kept apart, and what happens when a batch fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm_core.batching import MAX_BATCH_ITEMS, MicroBatcher
from llm_core.errors import BackendError, CancelledError, OutOfMemoryError
from llm_core.types import CancelToken


@pytest.fixture
def batcher() -> Iterator[MicroBatcher]:
    batcher = MicroBatcher()
    yield batcher
    batcher.close()


class Recorder:
    """Doubles numbers, remembers batches, and waits at a gate before the first."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()

    def __call__(self, items: list[int], cancel: CancelToken) -> list[int]:
        self.batches.append(items)
        self.gate.wait(5)
        return [2 * item for item in items]


def test_results_keep_the_order_of_the_items(batcher: MicroBatcher) -> None:
    assert batcher.run("key", lambda items, cancel: [2 * item for item in items], [3, 1, 2], CancelToken()) == [6, 2, 4]


def test_no_items_need_no_call(batcher: MicroBatcher) -> None:
    def fail(items: list[Any], cancel: CancelToken) -> list[Any]:
        raise AssertionError("called")

    assert batcher.run("key", fail, [], CancelToken()) == []


def test_calls_that_wait_together_run_as_one_batch(batcher: MicroBatcher) -> None:
    double = Recorder()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(batcher.run, "key", double, [0], CancelToken())
        while not double.batches:
            pass
        others = [pool.submit(batcher.run, "key", double, [number], CancelToken()) for number in range(1, 9)]
        while len(batcher._calls) < 8:
            pass
        double.gate.set()
        assert [future.result(5) for future in [first, *others]] == [[2 * number] for number in range(9)]
    assert [len(batch) for batch in double.batches] == [1, 8]


def test_callers_who_had_company_are_waited_for(batcher: MicroBatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_core.batching._REGATHER_SECONDS", 5)
    double = Recorder()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher.run, "key", double, [0], CancelToken())
        while not double.batches:
            pass
        pair = [pool.submit(batcher.run, "key", double, [number], CancelToken()) for number in (1, 2)]
        while len(batcher._calls) < 2:
            pass
        double.gate.set()
        assert [future.result(5) for future in (first, *pair)] == [[0], [2], [4]]
        again = pool.submit(batcher.run, "key", double, [3], CancelToken())
        while not batcher._calls:
            pass
        assert batcher.run("key", double, [4], CancelToken()) == [8]
        assert again.result(5) == [6]
    assert [len(batch) for batch in double.batches] == [1, 2, 2]


def test_calls_with_different_keys_are_not_mixed(batcher: MicroBatcher) -> None:
    double = Recorder()
    double.gate.set()
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(batcher.run, number % 2, double, [number], CancelToken()) for number in range(20)]
        assert [future.result(5) for future in futures] == [[2 * number] for number in range(20)]
    assert all(len({item % 2 for item in batch}) == 1 for batch in double.batches)


def test_a_huge_call_is_cut_and_takes_turns_with_a_small_one(batcher: MicroBatcher) -> None:
    double = Recorder()
    huge = list(range(4 * MAX_BATCH_ITEMS))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher.run, "key", double, huge, CancelToken())
        while not double.batches:
            pass
        second = pool.submit(batcher.run, "key", double, [-1], CancelToken())
        while len(batcher._calls) < 2:
            pass
        double.gate.set()
        assert first.result(5) == [2 * item for item in huge]
        assert second.result(5) == [-2]
    assert max(len(batch) for batch in double.batches) <= MAX_BATCH_ITEMS
    assert -1 in double.batches[1]


def test_a_withdrawn_call_returns_at_once_and_its_neighbour_still_gets_its_answer(batcher: MicroBatcher) -> None:
    double = Recorder()
    cancel = CancelToken()
    with ThreadPoolExecutor(2) as pool:
        staying = pool.submit(batcher.run, "key", double, [1], CancelToken())
        leaving = pool.submit(batcher.run, "key", double, [2], cancel)
        cancel.cancel()
        with pytest.raises(CancelledError):
            leaving.result(1)
        double.gate.set()
        assert staying.result(5) == [2]


def test_a_batch_that_nobody_wants_any_more_is_told_to_stop(batcher: MicroBatcher) -> None:
    cancel = CancelToken()
    stopped = threading.Event()

    def endless(items: list[int], batch_cancel: CancelToken) -> list[int]:
        while not batch_cancel.stopped:
            pass
        stopped.set()
        batch_cancel.check()
        return items

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(batcher.run, "key", endless, [1], cancel)
        cancel.cancel()
        with pytest.raises(CancelledError):
            future.result(1)
    assert stopped.wait(1)


def test_one_bad_call_does_not_take_its_neighbours_along(batcher: MicroBatcher) -> None:
    gate, entered = threading.Event(), threading.Event()

    def picky(items: list[int], cancel: CancelToken) -> list[int]:
        entered.set()
        gate.wait(5)
        if 13 in items:
            raise BackendError("13 is not liked")
        return items

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.run, "key", picky, [0], CancelToken())
        entered.wait(5)
        good = pool.submit(batcher.run, "key", picky, [1], CancelToken())
        bad = pool.submit(batcher.run, "key", picky, [13], CancelToken())
        while len(batcher._calls) < 2:
            pass
        gate.set()
        assert (first.result(5), good.result(5)) == ([0], [1])
        with pytest.raises(BackendError, match="13 is not liked"):
            bad.result(5)


def test_out_of_memory_frees_some_and_halves_the_batch_once() -> None:
    freed = []
    batcher = MicroBatcher(lambda: freed.append(True))
    sizes = []

    def tight(items: list[int], cancel: CancelToken) -> list[int]:
        sizes.append(len(items))
        if len(items) > 4:
            raise RuntimeError("DefaultCPUAllocator: out of memory")
        return items

    assert batcher.run("key", tight, list(range(8)), CancelToken()) == list(range(8))
    assert (sizes, freed) == ([8, 4, 4], [True])
    with pytest.raises(OutOfMemoryError, match="batch of 10 texts"):
        batcher.run("key", tight, list(range(20)), CancelToken())
    batcher.close()


def test_closing_withdraws_waiting_calls_and_refuses_new_ones() -> None:
    batcher = MicroBatcher()
    batcher.close()
    with pytest.raises(CancelledError):
        batcher.run("key", lambda items, cancel: items, [1], CancelToken())


def test_what_is_to_run_alone_runs_in_the_worker_and_keeps_its_own_errors(batcher: MicroBatcher) -> None:
    used = batcher.run("key", lambda items, cancel: [threading.get_ident()], [0], CancelToken())
    assert [batcher.alone(threading.get_ident)] == used != [threading.get_ident()]

    def fail() -> None:
        raise OutOfMemoryError("no room for the weights")

    with pytest.raises(OutOfMemoryError, match="no room for the weights"):
        batcher.alone(fail)
    assert batcher.alone(lambda: 7) == 7
