"""A task over the rows of a table: a stream of how far it is, with what is there so far.

`Batches.run` has the signature of `Engine.run`. The engine sees batches of rows as requests of their own, so that other
clients have their turns, deadlines hold for batches, and one visitor's file never keeps the device. A run that was
stopped, or whose client left, goes on where it was when the same table comes again with the same settings.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_core.engine import Engine
from llm_core.errors import CancelledError, InputError, LlmCoreError
from llm_core.many import Answer, Pace, answer_each, busy_seconds
from llm_core.selection import AUTO
from llm_core.session import Task
from llm_core.tasks.base import Request
from llm_core.tasks.batch.columns import MAX_LABELS, different
from llm_core.tasks.batch.kinds import Reading, kind_of
from llm_core.tasks.batch.table import Table
from llm_core.types import CancelToken, Completed, Event, Partial, RunStats

KEPT_SECONDS = 3600.0
KEPT_ROWS = 200_000
"""Of all runs that were stopped, together."""
_SPEED_SECONDS = 15.0
"""What is told of the speed is that of the last seconds."""
_NOTHING = Reading((), "")


class BatchRequest(Request):
    """Which columns of a table a task reads, and what it is asked beside them."""

    table: Table
    columns: dict[str, str]
    """Column by field of the task's request."""
    truth: str | None = None
    """The column with the right answers."""
    fresh: bool = False
    """Whether to begin with the first row, whatever an earlier run has done."""
    fields: dict[str, Any] = {}
    """Further fields of the request, the same for all rows, such as the language to translate into."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of a row."""

    reading: Reading = _NOTHING
    model_id: str = ""
    error: str = ""
    """Why there is no answer."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What is there of a run, complete or not."""

    task: str
    request: BatchRequest
    outcomes: Sequence[RowOutcome]
    """Of the first rows; grows while the run goes on, see `done`."""
    done: int
    """Rows that were done when this was told."""
    counts: dict[str, int]
    """How often each category came up."""
    errors: int
    resumed: int = 0
    """Rows that an earlier run had done."""
    rate: float | None = None
    """Rows a second, lately."""
    stopped: bool = False

    @property
    def total(self) -> int:
        """Rows of the table."""
        return len(self.request.table.rows)

    @property
    def remaining_seconds(self) -> float | None:
        """How long the rest will take at this rate."""
        return (self.total - self.done) / self.rate if self.rate else None


class BatchTask:
    """A task over tables; see `session.Task`. `Batches` runs it.

    Args:
        task: What is done with each row; it has a `Kind`.
    """

    def __init__(self, task: Task[Any, Any]) -> None:
        self.of, self.kind = task, kind_of(task.name)
        self.name = task.name
        self.request_type = BatchRequest

    def check(self, request: BatchRequest) -> None:
        """Accept a request whose columns exist and are the right ones.

        Raises:
            InputError: They are not.
        """
        if set(request.columns) != set(self.kind.fields):
            raise InputError("columns", f"must be given for {', '.join(self.kind.fields)}")
        for name in request.columns.values():
            request.table.column(name)
        if request.truth is None:
            return
        if self.kind.truth is None:
            raise InputError("truth", f"is not compared with in {self.name}")
        if self.kind.truth == "label" and (count := len(different(request.table, request.truth))) > MAX_LABELS:
            raise InputError("label", f"column must have at most {MAX_LABELS} different labels, this has {count:,}")

    def row_requests(self, request: BatchRequest, start: int, count: int) -> list[Any]:
        """The requests of some rows; an error in place of each that cannot be one."""
        places = {name: request.table.column(column) for name, column in request.columns.items()}
        return [
            self._parsed({**request.fields, **{name: row[place] for name, place in places.items()}})
            for row in request.table.rows[start : start + count]
        ]

    def _parsed(self, values: dict[str, Any]) -> Any:
        try:
            return self.of.request_type.parse(values)
        except InputError as error:
            return error

    def outcome(self, answer: Answer | LlmCoreError) -> RowOutcome:
        """What became of a row."""
        if isinstance(answer, LlmCoreError):
            return RowOutcome(error=str(answer))
        return RowOutcome(self.kind.read(answer.result), answer.model_id)


class Batches:
    """Runs tables, and remembers those that were stopped.

    Args:
        engine: Serves the rows.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._kept = _KeptRows()

    def run(
        self,
        task: BatchTask,
        request: BatchRequest,
        *,
        model_id: str = AUTO,
        client: str = "local",
        cancel: CancelToken | None = None,
    ) -> Generator[Event, None, None]:
        """Run a table.

        Args:
            task: What to do with each row.
            request: The table.
            model_id: As in `Engine.run`.
            client: As in `Engine.run`.
            cancel: Stops the run after the rows that are done; they are its result then.

        Yields:
            `Waiting` and `Loading`, `Partial` with a `BatchResult` after each batch, at last `Completed` with one.

        Raises:
            LlmCoreError: The request is wrong, or no row can be done for a reason that lies in none of them.
        """
        task.check(request)
        if model_id != AUTO:
            _ = self.engine.catalog[model_id]
        started = time.monotonic()
        kept = self._kept.take(_key(task, request, model_id))
        progress = _Progress(task, request, [] if request.fresh else kept)
        try:
            yield from self._rows(task, request, progress, {"model_id": model_id, "client": client, "cancel": cancel})
        except CancelledError:
            progress.stopped = True
        finally:
            if len(progress.outcomes) < len(request.table.rows):
                self._kept.put(_key(task, request, model_id), progress.outcomes)
        models = Counter(outcome.model_id for outcome in progress.outcomes if outcome.model_id)
        seconds = time.monotonic() - started
        stats = RunStats(next(iter(dict(models.most_common(1))), ""), self.engine.device, 1e3 * seconds, 1e3 * seconds)
        yield Completed(progress.result(), stats)

    def _rows(
        self, task: BatchTask, request: BatchRequest, progress: _Progress, options: dict[str, Any]
    ) -> Generator[Event, None, None]:
        pace = Pace(task.of)
        if progress.outcomes:
            yield progress.event()
        while (done := len(progress.outcomes)) < len(request.table.rows):
            if options["cancel"] is not None:
                options["cancel"].check()
            requests = task.row_requests(request, done, pace.size)
            answers = yield from answer_each(self.engine, task.of, requests, **options)
            pace.learn(answers)
            if not done:
                _check_possible(answers)
            if done == progress.resumed:
                progress.start(busy_seconds(answers))
            progress.take([task.outcome(answer) for answer in answers])
            yield progress.event()


def _check_possible(answers: Sequence[Answer | LlmCoreError]) -> None:
    """Raise when all of the first rows failed, one for a reason that is not in the rows: so would all others."""
    failures = [answer for answer in answers if isinstance(answer, LlmCoreError)]
    reason = next((error for error in failures if not isinstance(error, InputError)), None)
    if reason is not None and len(failures) == len(answers):
        raise reason


def _key(task: BatchTask, request: BatchRequest, model_id: str) -> str:
    """Equal for runs that give the same answers."""
    asked = [task.name, model_id, request.table.digest, request.columns, request.fields]
    return json.dumps(asked, sort_keys=True, ensure_ascii=False, default=str)


@dataclass
class _Progress:
    """A run as it grows."""

    task: BatchTask
    request: BatchRequest
    outcomes: list[RowOutcome]
    counts: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        self.resumed = len(self.outcomes)
        self._count(self.outcomes)
        self._times = deque([(time.monotonic(), self.resumed)])

    def start(self, seconds: float) -> None:
        """The first rows took so long; what was waited for before, such as a model, says nothing about the others."""
        self._times = deque([(time.monotonic() - seconds, self.resumed)])

    def take(self, outcomes: Sequence[RowOutcome]) -> None:
        """Account for the next rows."""
        self.outcomes.extend(outcomes)
        self._count(outcomes)
        now = time.monotonic()
        self._times.append((now, len(self.outcomes)))
        while len(self._times) > 2 and self._times[0][0] < now - _SPEED_SECONDS:
            self._times.popleft()

    def result(self) -> BatchResult:
        """What is there now."""
        (earlier, before), (now, after) = self._times[0], self._times[-1]
        return BatchResult(
            task=self.task.name,
            request=self.request,
            outcomes=self.outcomes,
            done=len(self.outcomes),
            counts=dict(self.counts.most_common()),
            errors=self.errors,
            resumed=self.resumed,
            rate=(after - before) / (now - earlier) if now > earlier else None,
            stopped=self.stopped,
        )

    def event(self) -> Partial:
        """How far it is."""
        return Partial(len(self.outcomes), len(self.request.table.rows), self.result())

    def _count(self, outcomes: Sequence[RowOutcome]) -> None:
        for outcome in outcomes:
            self.counts.update(outcome.reading.categories)
            self.errors += bool(outcome.error)


class _KeptRows:
    """Rows of runs that were stopped, for a while; the oldest leave first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, tuple[float, list[RowOutcome]]] = OrderedDict()

    def take(self, key: str) -> list[RowOutcome]:
        """What there is of a run; it is the caller's from now on."""
        with self._lock:
            self._drop_old()
            return self._runs.pop(key, (0.0, []))[1]

    def put(self, key: str, outcomes: list[RowOutcome]) -> None:
        """Keep what there is of a run, unless more of it is here."""
        with self._lock:
            if outcomes and len(outcomes) > len(self._runs.get(key, (0.0, []))[1]):
                self._runs[key] = time.monotonic(), outcomes
                self._runs.move_to_end(key)
            self._drop_old()

    def _drop_old(self) -> None:
        now = time.monotonic()
        while self._runs:
            kept_at, _ = next(iter(self._runs.values()))
            if now - kept_at < KEPT_SECONDS and sum(len(rows) for _, rows in self._runs.values()) <= KEPT_ROWS:
                return
            self._runs.popitem(last=False)
