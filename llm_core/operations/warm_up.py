"""Models that are brought into memory before anybody asks, so that first answers are quick, too."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass

from llm_core.backends.base import LoadedModel
from llm_core.catalog import ModelSpec
from llm_core.engine import Engine

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How far it is."""

    done: int
    total: int

    @property
    def complete(self) -> bool:
        """Whether nothing more will come."""
        return self.done >= self.total


class WarmUp:
    """Loads the embedded models in the background, those that are not on this machine only where `fetch` says so, and
    looks whether remote ones are there.

    Args:
        engine: Whose models.
        fetch: Download what is missing.
    """

    def __init__(self, engine: Engine, fetch: bool) -> None:
        self._engine, self._fetch = engine, fetch
        self._futures: tuple[Future[LoadedModel], ...] | None = None
        self._lock = threading.Lock()
        self._done = 0

    def start(self) -> tuple[Future[LoadedModel], ...]:
        """Begin; the futures are done when the models are there, or cannot be had."""
        _ = self._engine.device  # imports torch, which the first request would otherwise wait for
        wanted = [spec for spec in self._engine.catalog.values() if spec.tier != "hub" and self._wants(spec)]
        self._futures = tuple(self._engine.preload(spec.id) for spec in wanted)
        for spec, future in zip(wanted, self._futures, strict=True):
            future.add_done_callback(lambda one, spec=spec: self._arrived(spec, one))  # type: ignore[misc]
        return self._futures

    @property
    def arrival(self) -> Arrival | None:
        """How far it is; ``None`` before `start`."""
        return None if self._futures is None else Arrival(self._done, len(self._futures))

    @property
    def complete(self) -> bool:
        """Whether it has been started, and nothing more will come."""
        return self.arrival is not None and self.arrival.complete

    def _wants(self, spec: ModelSpec) -> bool:
        state = self._engine.availability(spec)
        return state.available and (state.present or self._fetch)

    def _arrived(self, spec: ModelSpec, future: Future[LoadedModel]) -> None:
        with self._lock:
            self._done += 1
        if not future.cancelled() and (error := future.exception()) is not None:
            logger.warning("%s is not loaded in advance: %s", spec.id, type(error).__name__)
