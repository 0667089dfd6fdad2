"""Which models are in memory: loaded on demand, the least recently used leave when the budget is reached.

Loading runs in threads of its own, so that a caller can give up waiting at once while the load goes on for the next
one; two callers who want the same model share one load. A model in use never leaves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from llm_core.backends.base import LoadedModel
from llm_core.catalog import ModelSpec
from llm_core.errors import BusyError, ModelUnavailableError

Loader = Callable[[ModelSpec], LoadedModel]


@dataclass
class _Resident:
    model: LoadedModel
    users: int = 0
    unwanted: bool = False
    """Leaves for good with its last user."""
    last_use: int = 0


class Residency:
    """Loaded models within a memory budget.

    Args:
        load: Fetches and opens a model.
        budget_bytes: What loaded models may hold together.
    """

    def __init__(self, load: Loader, budget_bytes: int) -> None:
        self._load = load
        self._budget_bytes = budget_bytes
        self._lock = threading.Lock()
        self._residents: dict[str, _Resident] = {}
        self._loads: dict[str, Future[LoadedModel]] = {}
        self._reserved: dict[str, int] = {}
        self._clock = 0
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="model-loader")
        self._in_advance = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model-preloader")

    def request(self, spec: ModelSpec) -> Future[LoadedModel]:
        """A future that is done once the model is in memory; starts loading it when it is not.

        The future's exceptions: `ModelUnavailableError`, `WeightsError`, `BusyError`, `BackendError`.
        """
        with self._lock:
            resident = self._residents.get(spec.id)
            if resident is not None:
                return _done(resident.model)
            if spec.id not in self._loads:
                self._loads[spec.id] = self._pool.submit(self._load_within_budget, spec)
            return self._loads[spec.id]

    def request_in_advance(self, spec: ModelSpec) -> Future[LoadedModel]:
        """As `request`, for a model that nobody waits for yet: one after the other, so that others can overtake."""
        return self._in_advance.submit(lambda: self.request(spec).result())

    @contextmanager
    def use(self, model_id: str) -> Iterator[LoadedModel | None]:
        """Keep a resident model in memory meanwhile; ``None`` when it has left."""
        with self._lock:
            resident = self._residents.get(model_id)
            if resident is not None:
                self._clock += 1
                resident.users += 1
                resident.last_use = self._clock
        try:
            yield None if resident is None else resident.model
        finally:
            if resident is not None:
                with self._lock:
                    resident.users -= 1
                    ends = resident.unwanted and resident.users == 0
                if ends:
                    resident.model.close()

    def resident(self) -> dict[str, LoadedModel]:
        """Models in memory, by id."""
        with self._lock:
            return {model_id: resident.model for model_id, resident in self._residents.items()}

    def discard(self, model_id: str) -> None:
        """Drop a model for good, as soon as nobody uses it; unknown ids are ignored."""
        with self._lock:
            resident = self._residents.pop(model_id, None)
            if resident is None:
                return
            resident.unwanted = in_use = resident.users > 0
        if not in_use:
            resident.model.close()

    def free_idle(self) -> None:
        """Drop every model that is not in use."""
        with self._lock:
            leaving = [self._residents.pop(model_id) for model_id in self._idle_ids()]
        _close(leaving)

    def close(self) -> None:
        """Drop all models and refuse new loads."""
        self._in_advance.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            leaving = list(self._residents.values())
            self._residents.clear()
        _close(leaving)

    def _load_within_budget(self, spec: ModelSpec) -> LoadedModel:
        try:
            self._make_room(spec)
            model = self._load(spec)
            with self._lock:
                self._clock += 1
                self._residents[spec.id] = _Resident(model, last_use=self._clock)
            return model
        finally:
            with self._lock:
                self._reserved.pop(spec.id, None)
                del self._loads[spec.id]

    def _make_room(self, spec: ModelSpec) -> None:
        if spec.memory_bytes > self._budget_bytes:
            needed, budget = spec.memory_bytes >> 20, self._budget_bytes >> 20
            raise ModelUnavailableError(spec.id, f"it needs {needed} MB of memory, and models may use {budget} MB")
        leaving = []
        with self._lock:
            held = sum(resident.model.memory_bytes for resident in self._residents.values())
            free = self._budget_bytes - held - sum(self._reserved.values())
            for model_id in self._idle_ids():
                if free >= spec.memory_bytes:
                    break
                leaving.append(self._residents.pop(model_id))
                free += leaving[-1].model.memory_bytes
            if free >= spec.memory_bytes:
                self._reserved[spec.id] = spec.memory_bytes
        _close(leaving)
        if free < spec.memory_bytes:
            raise BusyError("other requests use the memory this model needs", retry_after=5.0)

    def _idle_ids(self) -> list[str]:
        """Models not in use, the least recently used first."""
        idle = [(resident.last_use, model_id) for model_id, resident in self._residents.items() if not resident.users]
        return [model_id for _, model_id in sorted(idle)]


def _done(model: LoadedModel) -> Future[LoadedModel]:
    future: Future[LoadedModel] = Future()
    future.set_result(model)
    return future


def _close(residents: list[_Resident]) -> None:
    for resident in residents:
        resident.model.close()
