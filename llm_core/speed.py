"""How fast models are on this machine: measured as visitors use them, and in the background only while nobody waits.

A figure is the median of a few requests to the task that the model serves: how soon the first piece of an answer is
there, and how many texts (encoders, translators, poems) or tokens (decoders) a second come after that. A measurement
that meets a visitor's request gives way: it is withdrawn at the next token, or dropped after its batch of some 0.1 s,
and done anew later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from llm_core.catalog import ModelSpec
from llm_core.engine import Engine
from llm_core.errors import CancelledError, LlmCoreError
from llm_core.tasks import TASK_NAMES, find_task
from llm_core.types import Completed, RunStats

logger = logging.getLogger(__name__)

CLIENT = __name__
"""As whose requests it asks."""
ROUNDS = 3
BATCH = 16
"""Texts that an encoder reads at once."""
QUIET_SECONDS = 1.0
"""So long no request must have run before the background measures."""
_POLL_SECONDS = 0.1

_ENGLISH = "The library in the old town opens at nine, and on Fridays Ada Lovelace reads there until the lights go out."
_CHINESE = "老城的图书馆九点开门，每逢星期五，李老师都会在那里读书，一直读到熄灯。"
_TEXTS = {"en": _ENGLISH, "zh": _CHINESE}
_QUESTIONS = {"en": "When does the library open?", "zh": "图书馆几点开门？"}
_CODE = 'def mean(values):\n    """Arithmetic mean of a list of numbers."""\n'
_TOKENS = 48
"""That a decoder writes."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured."""

    first_ms: float
    """From the moment the device is free to the first piece of an answer, or to all of it where it has no pieces."""
    per_second: float
    unit: Literal["texts", "tokens"]
    device: str


def measure_speed(engine: Engine, spec: ModelSpec, check: Callable[[], None] = lambda: None) -> Speed | None:
    """Speed of an entry in the first task that it serves; ``None`` if there is none, or no sample in its languages.

    Args:
        engine: Runs it; loads the model if need be, which is not counted.
        spec: The entry.
        check: Called after each event and each batch; what it raises ends the measurement.

    Raises:
        LlmCoreError: The model cannot be had, or fails.
    """
    fields = sample_request(spec)
    if fields is None:
        return None
    task = find_task(_task_of(spec))
    request = task.request_type.parse(fields)
    alone = [_stats(engine, task, request, spec, check) for _ in range(ROUNDS + 1)][1:]  # the first one warms up
    first_ms, device = median(stats.first_token_ms for stats in alone), alone[-1].device
    rates = [stats.tokens_per_second for stats in alone if stats.tokens_per_second]
    if rates:
        return Speed(first_ms, median(rates), "tokens", device)
    return Speed(first_ms, _texts_per_second(engine, task, request, spec, check, alone), "texts", device)


def sample_request(spec: ModelSpec) -> dict[str, Any] | None:
    """Fields of a typical request that an entry serves; ``None`` if there is no task or no sample in its languages."""
    task = _task_of(spec)
    language = next((each for each in spec.languages if each in _TEXTS), "")
    if task == "translate":
        pairs = [pair for pair in spec.language_pairs if pair[0] in _TEXTS]
        return {"text": _TEXTS[pairs[0][0]], "source": pairs[0][0], "target": pairs[0][1]} if pairs else None
    if task == "complete":
        return {"prefix": _CODE, "max_new_tokens": _TOKENS}
    if task == "poem":
        return {"form": "五绝", "title": "春雨", "seed": 1}
    if not task or not language:
        return None
    if task == "classify":
        choice = {"label_set": spec.label_set} if spec.label_set else {"labels": ["travel", "culture", "sports"]}
        return {"text": _TEXTS[language], **choice}
    if task == "answer":
        return {"question": _QUESTIONS[language], "context": _TEXTS[language]}
    if task == "generate":
        return {"prompt": _TEXTS[language], "max_new_tokens": _TOKENS, "seed": 1}
    return {"text": _TEXTS[language]}


def _task_of(spec: ModelSpec) -> str:
    return next((task for task in spec.tasks if task in TASK_NAMES), "")


def _stats(engine: Engine, task: Any, request: Any, spec: ModelSpec, check: Callable[[], None]) -> RunStats:
    with closing(engine.run(task, request, model_id=spec.id, client=CLIENT)) as events:
        for event in events:
            check()
            if isinstance(event, Completed):
                return event.stats
    raise CancelledError


def _texts_per_second(
    engine: Engine, task: Any, request: Any, spec: ModelSpec, check: Callable[[], None], alone: Sequence[RunStats]
) -> float:
    """In batches where the task has them, else one by one."""
    if not hasattr(task, "run_many"):
        return 1000 / median(stats.total_ms for stats in alone)
    rates = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        engine.run_many(task, [request] * BATCH, model_id=spec.id)
        rates.append(BATCH / (time.monotonic() - began))
        check()
    return median(rates)


class Speedometer:
    """Measures the embedded models of an engine, one after the other, in a thread of its own.

    Args:
        engine: Whose models; they are measured once they are in memory, and none is loaded for it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: dict[str, Speed | None] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, after: Sequence[Future[Any]] = ()) -> None:
        """Begin, once these are done."""
        self._thread = threading.Thread(target=self._run, args=(after,), name="speedometer", daemon=True)
        self._thread.start()

    def speed(self, model_id: str) -> Speed | None:
        """What was measured, if it was."""
        return self._found.get(model_id)

    def awaited(self) -> frozenset[str]:
        """Ids that are still to be measured; none before `start` and after `close`."""
        if self._thread is None or self._stopped.is_set():
            return frozenset()
        return frozenset(spec.id for spec in self._measurable() if spec.id not in self._found)

    def close(self) -> None:
        """End; a measurement that is under way is withdrawn."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _measurable(self) -> list[ModelSpec]:
        embedded = [spec for spec in self._engine.catalog.values() if spec.tier == "embedded"]
        return [spec for spec in embedded if sample_request(spec) and self._engine.availability(spec).present]

    def _run(self, after: Sequence[Future[Any]]) -> None:
        while not all(future.done() for future in after):
            if self._stopped.wait(_POLL_SECONDS):
                return
        while awaited := self.awaited():
            for model_id in sorted(awaited):
                if not self._quiet():
                    return
                if model_id in self._engine.resident():
                    self._measure(self._engine.catalog[model_id])

    def _measure(self, spec: ModelSpec) -> None:
        try:
            self._found[spec.id] = measure_speed(self._engine, spec, self._check_alone)
        except _Disturbed:
            return
        except LlmCoreError as error:
            logger.warning("the speed of %s was not measured: %s", spec.id, error)
            self._found[spec.id] = None

    def _quiet(self) -> bool:
        """Waits until no request has run for `QUIET_SECONDS`; false when it is to end."""
        waited = 0.0
        while waited < QUIET_SECONDS:
            if self._stopped.wait(_POLL_SECONDS):
                return False
            waited = waited + _POLL_SECONDS if self._engine.load == (0, 0) else 0.0
        return True

    def _check_alone(self) -> None:
        running, waiting = self._engine.load
        if running > 1 or waiting or self._stopped.is_set():
            raise _Disturbed


class _Disturbed(Exception):
    """Somebody else wants an answer."""
