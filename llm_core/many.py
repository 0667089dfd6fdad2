"""Many requests of a task, whatever becomes of each: batched by model, and a bad one never stops the rest.

Batches grow until one takes about a second: the first answers are there soon, and the model is kept as busy as it can
be. Files of JSON lines (`jsonl`) and tables (`tasks.batch`) both run through here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from llm_core.engine import Engine
from llm_core.errors import BusyError, CancelledError, LlmCoreError
from llm_core.selection import AUTO
from llm_core.session import Task
from llm_core.types import CancelToken, Completed, Event

FIRST_BATCH = 16
MAX_BATCH = 256
_GROWTH = 4
_WANTED_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's result, and what it cost."""

    result: Any
    model_id: str
    seconds: float
    """Its share of the time that the model had its batch; waiting and loading are not counted."""


class Pace:
    """How many requests to run next.

    Args:
        task: What is done; one that cannot batch runs one at a time.
    """

    def __init__(self, task: Task[Any, Any]) -> None:
        self._batches = hasattr(task, "run_many")
        self.size = FIRST_BATCH if self._batches else 1

    def learn(self, outcomes: Sequence[Answer | LlmCoreError]) -> None:
        """Take account of the batch that was just run."""
        seconds = busy_seconds(outcomes)
        if not self._batches:
            return
        if seconds < _WANTED_SECONDS / _GROWTH:
            self.size = min(MAX_BATCH, self.size * _GROWTH)
        elif seconds > _WANTED_SECONDS:
            self.size = max(1, round(self.size * _WANTED_SECONDS / seconds))


def busy_seconds(outcomes: Sequence[Answer | LlmCoreError]) -> float:
    """How long models had these requests."""
    return sum(outcome.seconds for outcome in outcomes if isinstance(outcome, Answer))


def answer_each(
    engine: Engine,
    task: Task[Any, Any],
    requests: Sequence[Any],
    *,
    model_id: str = AUTO,
    client: str = "local",
    cancel: CancelToken | None = None,
) -> Generator[Event, None, list[Answer | LlmCoreError]]:
    """Answer each request, or say why not.

    Args:
        engine: Serves them.
        task: What to do.
        requests: Validated requests; an error in place of one stays there.
        model_id: Catalogue id or ``"auto"``, which may choose another entry for each.
        client: Whose requests they are, for fairness.
        cancel: Withdraws them.

    Yields:
        What the engine is waiting for.

    Returns:
        Answers and errors in the order of the requests.

    Raises:
        CancelledError: They were withdrawn.
    """
    outcomes: list[Any] = list(requests)
    by_model: dict[str, list[int]] = defaultdict(list)
    for place, request in enumerate(requests):
        if isinstance(request, LlmCoreError):
            continue
        try:
            by_model[engine.resolve(task, request, model_id).id].append(place)
        except LlmCoreError as error:
            outcomes[place] = error
    for chosen, places in by_model.items():
        options = {"model_id": chosen, "client": client, "cancel": cancel or CancelToken()}
        answers = yield from _answer_alike(engine, task, [requests[place] for place in places], options)
        for place, answer in zip(places, answers, strict=True):
            outcomes[place] = answer
    return outcomes


def _answer_alike(
    engine: Engine, task: Task[Any, Any], requests: Sequence[Any], options: dict[str, Any]
) -> Generator[Event, None, list[Answer | LlmCoreError]]:
    """Answers of one model. Of a batch that fails, each half is tried, so that a bad request is alone in the end."""
    try:
        results, seconds = yield from _timed(engine.stream_many(task, requests, **options))
    except CancelledError:
        raise
    except BusyError as error:
        options["cancel"].pause(min(error.retry_after, _LONGEST_WAIT_SECONDS))
        return (yield from _answer_alike(engine, task, requests, options))
    except LlmCoreError as error:
        if len(requests) == 1:
            return [error]
        middle = len(requests) // 2
        first = yield from _answer_alike(engine, task, requests[:middle], options)
        return first + (yield from _answer_alike(engine, task, requests[middle:], options))
    return [Answer(result, options["model_id"], seconds / len(requests)) for result in results]


def _timed(events: Generator[Event, None, list[Any]]) -> Generator[Event, None, tuple[list[Any], float]]:
    """What calls return and how many seconds they took; passes on what is waited for."""
    seconds = 0.0
    while True:
        try:
            event = next(events)
        except StopIteration as stop:
            return stop.value, seconds
        if isinstance(event, Completed):
            seconds += event.stats.total_ms / 1000
        else:
            yield event
