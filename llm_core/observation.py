"""What each request came to, for whoever counts or logs: never what was asked or answered."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal

from llm_core import errors
from llm_core.types import Completed, Delta, Event, Progress, RunStats

logger = logging.getLogger(__name__)

Outcome = Literal["ok", "cancelled", "input", "busy", "deadline", "unavailable", "memory", "failed"]
_OUTCOMES: tuple[tuple[type[errors.LlmCoreError], Outcome], ...] = (
    (errors.CancelledError, "cancelled"),
    (errors.InputError, "input"),
    (errors.BusyError, "busy"),
    (errors.DeadlineExceededError, "deadline"),
    (errors.UnknownModelError, "input"),
    (errors.ModelUnavailableError, "unavailable"),
    (errors.OutOfMemoryError, "memory"),
)


@dataclass(frozen=True, slots=True)
class Served:
    """One request, after its end. Times in seconds."""

    request_id: str
    task: str
    model: str
    """Empty when it ended before one was chosen."""
    client: str
    """As in `Engine.run`; whoever has it can act as the visitor, so that it belongs in no log."""
    outcome: Outcome
    seconds: float
    """From the question to the end of the answer."""
    waited_seconds: float | None
    """In the queue and for weights; ``None`` unless it was completed."""
    first_seconds: float | None
    """From the question to the first piece of the answer, or to all of it where it has no pieces."""
    tokens: int
    device: str


Observer = Callable[[Served], None]


class Watch:
    """Follows one request.

    Args:
        task: Its task's name.
        client: As in `Engine.run`.
    """

    def __init__(self, task: str, client: str) -> None:
        self.model = ""
        """The entry that serves it; set once it is known."""
        self._task, self._client = task, client
        self._began = time.monotonic()
        self._first_at: float | None = None
        self._tokens = 0
        self._stats: RunStats | None = None

    def follow(
        self, events: Generator[Event, None, None], observers: Sequence[Observer]
    ) -> Generator[Event, None, None]:
        """Hand on the events; tell the observers at the end, however it comes."""
        self._began = time.monotonic()
        outcome: Outcome = "cancelled"
        try:
            for event in events:
                self._take(event)
                yield event
            outcome = "ok"
        except errors.LlmCoreError as error:
            outcome = next((name for kind, name in _OUTCOMES if isinstance(error, kind)), "failed")
            raise
        finally:
            events.close()
            served = self._served("ok" if self._stats else outcome)
            for observer in observers:
                _tell(observer, served)

    def _take(self, event: Event) -> None:
        if isinstance(event, Delta):
            self._tokens += len(event.tokens)
        if isinstance(event, Completed):
            self._stats = event.stats
        if self._first_at is None and isinstance(event, Delta | Progress | Completed):
            self._first_at = time.monotonic()

    def _served(self, outcome: Outcome) -> Served:
        stats = self._stats
        return Served(
            request_id=uuid.uuid4().hex,
            task=self._task,
            model=stats.model_id if stats else self.model,
            client=self._client,
            outcome=outcome,
            seconds=time.monotonic() - self._began,
            waited_seconds=stats.waited_ms / 1000 if stats else None,
            first_seconds=None if self._first_at is None else self._first_at - self._began,
            tokens=self._tokens,
            device=stats.device if stats else "",
        )


def _tell(observer: Observer, served: Served) -> None:
    try:
        observer(served)
    except Exception:  # counting must not cost an answer
        logger.exception("an observer failed")
