"""Micro-batches: calls of encoders that arrive together run as one.

One worker thread a device takes whatever is queued for the same function when the device gets free. A lone call never
waits for company; callers who had company, and ask again at once, are waited for, up to 3 ms: else the first of them
to come back would be computed alone while the others queue. Calls with many items are cut into chunks, and chunks of
different calls take turns. When memory runs out, the worker asks for some to be freed and halves the batch once.

The module knows nothing of models: a function takes a list of items and a cancel token and returns a sequence of as
many results.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from llm_core.errors import CancelledError, OutOfMemoryError
from llm_core.types import CancelToken

ResultT = TypeVar("ResultT")
BatchFunction = Callable[[list[Any], CancelToken], Any]
"""Returns an indexable of one result an item (a list, or an array whose rows are results)."""

MAX_BATCH_ITEMS = 256
_POLL_SECONDS = 0.05
_REGATHER_SECONDS = 0.003
"""From an answer to the same caller's next question the engine takes 0.4 ms, and callers share one interpreter."""


@dataclass(eq=False)
class _Call:
    """One caller's items and the results so far."""

    key: Hashable
    function: BatchFunction
    items: Sequence[Any]
    cancel: CancelToken
    results: list[Any] = field(default_factory=list)
    started: int = 0
    error: BaseException | None = None
    finished: threading.Event = field(default_factory=threading.Event)

    def finish(self, error: BaseException | None = None) -> None:
        self.error = error
        self.finished.set()


class _AllStopped(CancelToken):
    """Stops a batch when none of its callers wants it any more."""

    def __init__(self, tokens: Sequence[CancelToken]) -> None:
        super().__init__()
        self._tokens = tokens

    @property
    def stopped(self) -> bool:
        return all(token.stopped for token in self._tokens)

    def check(self) -> None:
        if self.stopped:
            raise CancelledError


class MicroBatcher:
    """Runs calls in one worker thread, batching those with the same key.

    Args:
        free_memory: Called when a batch ran out of memory, before the retry.
    """

    def __init__(self, free_memory: Callable[[], None] = lambda: None) -> None:
        self._free_memory = free_memory
        self._calls: list[_Call] = []
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="micro-batcher", daemon=True)
        self._worker.start()

    def run(self, key: Hashable, function: BatchFunction, items: Sequence[Any], cancel: CancelToken) -> list[Any]:
        """Results of `items`, in order.

        Args:
            key: Calls with equal keys must have interchangeable functions.
            function: What to run on a batch.
            items: This call's items.
            cancel: Withdraws this call; the batch stops when all its calls are withdrawn.

        Raises:
            CancelledError, DeadlineExceededError: As `cancel` says.
            OutOfMemoryError: Also half a batch did not fit.
        """
        if not items:
            return []
        call = _Call(key, function, items, cancel)
        with self._changed:
            if self._closed:
                raise CancelledError
            self._calls.append(call)
            self._changed.notify()
        while not call.finished.wait(_POLL_SECONDS):
            if cancel.stopped:
                self._withdraw(call)
                cancel.check()
        if call.error is not None:
            cancel.check()
            raise call.error
        return call.results

    def alone(self, function: Callable[[], ResultT]) -> ResultT:
        """What `function` returns or raises, run by the worker between two batches.

        Encoders are loaded there: OpenMP keeps threads for every thread that ever computed, and once they are more than
        the cores, all of them sleep between two operations instead of spinning; a short text then takes twice as long.

        Raises:
            CancelledError: The worker was stopped.
        """
        done: Future[ResultT] = Future()

        def work(items: list[Any], cancel: CancelToken) -> list[Any]:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)
            return items

        self.run(object(), work, [None], CancelToken())
        return done.result()

    def close(self) -> None:
        """Stop the worker after the batch in hand; waiting calls are withdrawn."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._worker.join()

    def _withdraw(self, call: _Call) -> None:
        with self._changed:
            if call in self._calls:
                self._calls.remove(call)

    def _work(self) -> None:
        company = 1
        while True:
            with self._changed:
                if company > 1:
                    self._changed.wait_for(functools.partial(self._gathered, company), _REGATHER_SECONDS)
                while not self._calls and not self._closed:
                    self._changed.wait()
                if self._closed:
                    for call in self._calls:
                        call.finish(CancelledError())
                    return
                batch = self._take_batch()
            self._run_batch(batch)
            company = len(batch)

    def _gathered(self, company: int) -> bool:
        return self._closed or len(self._calls) >= company

    def _take_batch(self) -> list[tuple[_Call, list[Any]]]:
        """Chunks of the first call and of those like it, together at most `MAX_BATCH_ITEMS` items."""
        alike = [call for call in self._calls if call.key == self._calls[0].key]
        share = max(1, MAX_BATCH_ITEMS // len(alike))
        batch: list[tuple[_Call, list[Any]]] = []
        for call in alike[:MAX_BATCH_ITEMS]:
            chunk = list(call.items[call.started : call.started + share])
            call.started += len(chunk)
            batch.append((call, chunk))
            self._calls.remove(call)
            if call.started < len(call.items):
                self._calls.append(call)
        return batch

    def _run_batch(self, batch: list[tuple[_Call, list[Any]]]) -> None:
        items = [item for _, chunk in batch for item in chunk]
        cancel = _AllStopped([call.cancel for call, _ in batch])
        try:
            results = self._run_sparing(batch[0][0].function, items, cancel)
        except BaseException as error:
            self._fail(batch, error)
            return
        position = 0
        for call, chunk in batch:
            call.results.extend(results[position : position + len(chunk)])
            position += len(chunk)
            if len(call.results) == len(call.items):
                call.finish()

    def _fail(self, batch: list[tuple[_Call, list[Any]]], error: BaseException) -> None:
        """One bad call must not take its neighbours along: of several, each is tried alone."""
        if len(batch) > 1 and not isinstance(error, CancelledError):
            for part in batch:
                self._run_batch([part])
            return
        for call, _ in batch:
            self._withdraw(call)
            call.finish(error)

    def _run_sparing(self, function: BatchFunction, items: list[Any], cancel: CancelToken) -> Any:
        try:
            return function(items, cancel)
        except (MemoryError, RuntimeError, OutOfMemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the except block, whose traceback would keep the failed batch's tensors alive.
        self._free_memory()
        half = (len(items) + 1) // 2
        try:
            first = list(function(items[:half], cancel))
            return first + (list(function(items[half:], cancel)) if items[half:] else [])
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError(f"a batch of {half} texts does not fit into the device's memory") from None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of any runtime means that memory ran out."""
    return isinstance(error, MemoryError | OutOfMemoryError) or "out of memory" in str(error).lower()
