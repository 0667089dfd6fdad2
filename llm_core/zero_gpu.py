"""Models on ZeroGPU: a GPU that a Hugging Face Space is lent for one call at a time.

The call runs in another process, forked from this one, which has the models as they were moved to ``cuda`` before the
page was served. Task, request, increments, result and errors cross by pickle. What does not cross:

- the token that withdraws a request. When it is set, the caller is free at once; the worker stops at its next
  increment (a decoder's next token), or when the time that was asked for is over, and the GPU goes back;
- the queue, the batches and the other models of this process: a task finds there the models that were moved.

The module does not know the package ``spaces``: it is handed what makes a function run there.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_core.backends.base import Backend, LoadedModel, ModelFiles
from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import BackendError, ConfigurationError, LlmCoreError, ModelUnavailableError
from llm_core.failures import as_backend_error
from llm_core.gpu_time import compute_seconds, start_seconds
from llm_core.session import CapabilityT, Increment, Task
from llm_core.types import CancelToken, Loading, Progress
from llm_core.weights import Availability

logger = logging.getLogger(__name__)

NAME = "ZeroGPU"
"""What stands for the device in an answer's figures."""
SLOTS = 4
"""Requests that are on their way to a GPU at once: each is a process beside this one."""
MOVED_BYTES = 18_000_000_000
"""What models that nobody named may hold: they are fetched at each start, and moved for each worker."""
_POLL_SECONDS = 0.05
_NOT_MOVED = Availability(
    False,
    "it was not moved to ZeroGPU when the page started",
    "The owner of the page can name it in LLM_CORE_ZERO_GPU_MODELS",
)


@dataclass(frozen=True, slots=True)
class Result:
    """The last thing that a worker sends."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Or this."""

    error: LlmCoreError


Sent = Increment | Result | Failure
Work = Callable[[Task[Any, Any], Any, str], Generator[Sent, None, None]]
OnGpu = Callable[[Work, Callable[[Task[Any, Any], Any, str], int]], Work]
"""Makes of a generator function one that runs on the GPU, and takes what says, of the same arguments, for how many
seconds. What it makes raises `GpuRefusedError` when there is no GPU; all else that it raises is a failure, too."""
Steps = Generator[Increment | Loading, None, Any]


class ZeroGpu:
    """The models that were moved, and the calls that use them; safe to share between threads once they were.

    Args:
        on_gpu: Runs the calls.
        backend: Opens models on ``cuda``.
    """

    def __init__(self, on_gpu: OnGpu, backend: Backend) -> None:
        self._backend = backend
        self._models: dict[str, LoadedModel] = {}
        self._moved_bytes = 0
        self._call = on_gpu(self._work, self._seconds)

    def move(self, specs: Iterable[ModelSpec], files: Callable[[ModelSpec], ModelFiles]) -> None:
        """Open models for the calls to come; once, in the main thread, before the page is served.

        One that cannot be had is left out, with a word in the log.
        """
        for spec in specs:
            try:
                self._models[spec.id] = self._backend.open(spec, files(spec))
            except Exception as error:
                why = error if isinstance(error, LlmCoreError) else as_backend_error(error)
                logger.warning("%s is not moved to %s: %s", spec.id, NAME, why)
            else:
                self._moved_bytes += self._models[spec.id].memory_bytes
                logger.info("moved %s to %s", spec.id, NAME)

    def __contains__(self, spec: ModelSpec) -> bool:
        return spec.id in self._models

    def availability(self, spec: ModelSpec) -> Availability | None:
        """Whether a call can use an entry; ``None`` for one that is never moved, and answers in this process."""
        if spec in self:
            return Availability(True, present=True)
        return _NOT_MOVED if _is_movable(spec) else None

    def steps(self, task: Task[Any, Any], request: Any, spec: ModelSpec, cancel: CancelToken) -> Steps:
        """Run one request on the GPU; as `Task.run`, but `Loading` comes first, while there is no GPU yet.

        Raises:
            GpuRefusedError: There is none.
            LlmCoreError: What the task raises.
            CancelledError, DeadlineExceededError: As the token says, within `_POLL_SECONDS`.
        """
        yield Loading(spec.id, lent=True)
        arrivals: queue.SimpleQueue[Sent | BaseException] = queue.SimpleQueue()
        left = threading.Event()
        # What `spaces` must know of the visitor, it finds in the context.
        run = contextvars.copy_context().run
        call = threading.Thread(
            target=run, args=(self._follow, (task, request, spec.id), arrivals, left), name="zero-gpu", daemon=True
        )
        call.start()
        try:
            while True:
                match _next(arrivals, cancel):
                    case Result(value=value):
                        return value
                    case Failure(error=error) | (BaseException() as error):
                        raise error
                    case increment:
                        yield increment
        finally:
            left.set()

    def _follow(
        self,
        call: tuple[Task[Any, Any], Any, str],
        arrivals: queue.SimpleQueue[Sent | BaseException],
        left: threading.Event,
    ) -> None:
        """Hand on what the worker sends; leaving closes the call, whatever it was doing."""
        try:
            with contextlib.closing(self._call(*call)) as sent:
                for each in sent:
                    if left.is_set():
                        return
                    arrivals.put(each)
            arrivals.put(BackendError("the GPU's worker ended without an answer"))
        except BaseException as error:
            arrivals.put(error)

    def _seconds(self, task: Task[Any, Any], request: Any, model_id: str) -> int:
        """How long the GPU is asked for."""
        return round(start_seconds(self._moved_bytes) + compute_seconds(self._models[model_id].spec, request))

    def _work(self, task: Task[Any, Any], request: Any, model_id: str) -> Generator[Sent, None, None]:
        """What the worker does."""
        model = self._models[model_id]
        session = _WorkerSession(self._models, model.spec, CancelToken(compute_seconds(model.spec, request)))
        try:
            yield Progress(0, 1)
            value = yield from task.run(session, request)
        except LlmCoreError as error:
            yield Failure(error)
        except Exception as error:
            yield Failure(as_backend_error(error))
        else:
            yield Result(value)


class _WorkerSession:
    """The session of a request in a worker, see `session.Session`: the models that were moved, and no others."""

    def __init__(self, models: Mapping[str, LoadedModel], spec: ModelSpec, cancel: CancelToken) -> None:
        self.spec = spec
        self.cancel = cancel
        self._models = models

    def open(self, capability: type[CapabilityT], model_id: str | None = None) -> CapabilityT:
        """See `session.Session.open`."""
        wanted = self.spec.id if model_id is None else model_id
        if (model := self._models.get(wanted)) is None:
            raise ModelUnavailableError(wanted, _NOT_MOVED.reason, _NOT_MOVED.remedy)
        if not isinstance(model, capability):
            raise BackendError(f"{wanted} cannot do this: its runtime does not offer {capability.__name__}")
        return model

    def companion(self, task: str, capability: type[CapabilityT]) -> CapabilityT:
        """See `session.Session.companion`."""
        found = next((model_id for model_id, model in self._models.items() if task in model.spec.tasks), task)
        return self.open(capability, found)


def models_to_move(catalog: Catalog, named: Sequence[str] = ()) -> list[ModelSpec]:
    """Which entries to move.

    Args:
        catalog: What there is.
        named: Their ids; without any, those of the Hub, in the catalogue's order, that do something in some language
            that none before does, as long as they together hold no more than `MOVED_BYTES`.

    Raises:
        ConfigurationError: There is no such entry, or it is run by another runtime than torch.
    """
    if named:
        return [_named(catalog, model_id) for model_id in named]
    chosen: list[ModelSpec] = []
    covered: set[tuple[str, object]] = set()
    for spec in filter(_is_movable, catalog.values()):
        reach = {(task, language) for task in spec.tasks for language in spec.language_pairs or spec.languages}
        if reach - covered and sum(each.memory_bytes for each in (*chosen, spec)) <= MOVED_BYTES:
            chosen.append(spec)
            covered |= reach
    return chosen


def _named(catalog: Catalog, model_id: str) -> ModelSpec:
    if model_id not in catalog or not _is_movable(catalog[model_id]):
        raise ConfigurationError(f"LLM_CORE_ZERO_GPU_MODELS: {model_id} is none of the Hub's models that torch runs")
    return catalog[model_id]


def _is_movable(spec: ModelSpec) -> bool:
    return spec.tier == "hub" and spec.backend == "transformers"


def _next(arrivals: queue.SimpleQueue[Sent | BaseException], cancel: CancelToken) -> Sent | BaseException:
    while True:
        cancel.check()
        with contextlib.suppress(queue.Empty):
            return arrivals.get(timeout=_POLL_SECONDS)
