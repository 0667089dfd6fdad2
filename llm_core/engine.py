"""Runs tasks on models: the only mutable object that requests share.

`Engine.run` chooses a model, brings it into memory, waits for the device, runs the task and measures it. It carries
deadlines and cancellation, and turns whatever a runtime throws into the package's own errors. It knows tasks and
backends only by their protocols.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, TimeoutError
from typing import Any, ClassVar, Protocol, TypeVar

from llm_core.admission import Admission
from llm_core.backends.base import AnswersTogether, Backend, LoadedModel, ModelFiles
from llm_core.batching import MicroBatcher
from llm_core.catalog import DECODER_HEADS, Catalog, ModelSpec, load_catalog
from llm_core.endpoints import RemoteModels, load_endpoints
from llm_core.errors import BackendError, LlmCoreError, ModelUnavailableError, OutOfMemoryError
from llm_core.failures import as_backend_error
from llm_core.fallback import FirstToEmbed, with_fallback
from llm_core.hardware import default_device
from llm_core.observation import Observer, Watch
from llm_core.residency import Residency
from llm_core.runtimes import LazyRuntimes, runtime_for_zero_gpu
from llm_core.selection import AUTO, Selection
from llm_core.session import CapabilityT, Increment, Task, exhaust
from llm_core.settings import Settings
from llm_core.shared_encoder import SharedEncoder
from llm_core.types import CancelToken, Completed, Delta, Event, Loading, Progress, RunStats, Waiting
from llm_core.weights import Availability, WeightStore
from llm_core.zero_gpu import NAME as ZERO_GPU
from llm_core.zero_gpu import SLOTS as ZERO_GPU_SLOTS
from llm_core.zero_gpu import OnGpu, ZeroGpu, models_to_move

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
_POLL_SECONDS = 0.05


class _RunsMany(Protocol):
    """A task that serves many requests with one call of its model."""

    def run_many(self, session: Any, requests: Sequence[Any]) -> list[Any]: ...


class _ServesElsewhere(Backend, Protocol):
    """A runtime whose models are on other machines."""

    def availability(self, spec: ModelSpec) -> Availability: ...

    def slots(self, spec: ModelSpec) -> int: ...

    def close(self) -> None: ...


class Engine:
    """Serves requests from any thread.

    Args:
        catalog: What models exist.
        weights: Where their files are.
        settings: Bounds, threads, memory.
        backends: A runtime by the name that entries use.
        zero_gpu: What serves the Hub's models on a Space with ZeroGPU; ``None`` anywhere else.
    """

    def __init__(
        self,
        catalog: Catalog,
        weights: WeightStore,
        settings: Settings,
        backends: Mapping[str, Backend],
        zero_gpu: ZeroGpu | None = None,
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self.zero_gpu = zero_gpu
        self._weights = weights
        self._backends = backends
        self.observers: list[Observer] = []
        """Told of each request after its end."""
        self._lent: dict[str, ModelSpec] = {}
        self._lent_files: dict[str, ModelFiles] = {}
        self._selection = Selection(self.availability, lambda: ZERO_GPU if zero_gpu else self.device)
        self._residency = Residency(self._open, settings.memory_budget_bytes)
        self._batcher = MicroBatcher(self._residency.free_idle)
        self._admission = self._queue()
        self._elsewhere: dict[str, Admission] = {}
        """Queues of remote models, by id: they wait for no device of this machine."""
        self._elsewhere_lock = threading.Lock()
        remote: Any = None
        if any(spec.tier == "remote" for spec in catalog.values()):
            remote = backends["remote"]  # now: later it would wait while another runtime is imported
        self._remote: _ServesElsewhere = remote

    @functools.cached_property
    def device(self) -> str:
        """The device models run on; looked up when the first request needs it, because that imports torch."""
        return default_device()

    def availability(self, spec: ModelSpec) -> Availability:
        """Whether an entry can be had here, and if not, why and what would help."""
        if spec.tier == "remote":
            return self._remote.availability(spec)
        if self.zero_gpu is not None and (there := self.zero_gpu.availability(spec)) is not None:
            return there
        return Availability(True, present=True) if spec.id in self._lent_files else self._weights.availability(spec)

    def files(self, spec: ModelSpec) -> ModelFiles:
        """An entry's verified files, fetched when needed."""
        return self._lent_files.get(spec.id) or self._weights.files(spec)

    def lend(self, client: str, spec: ModelSpec, files: ModelFiles) -> None:
        """Serve a model to one client, and to no other, in place of any that this client was lent before.

        Args:
            client: As in `run`.
            spec: Its entry, which stands in no catalogue; its id is of nobody else's.
            files: Its files; they stay where they are until `withdraw`.
        """
        self.withdraw(client)
        self._lent_files[spec.id] = files
        self._lent[client] = spec

    def withdraw(self, client: str) -> None:
        """Serve a client's own model no longer, and free its memory; without one, nothing happens."""
        if (spec := self._lent.pop(client, None)) is not None:
            self._lent_files.pop(spec.id)
            self._residency.discard(spec.id)

    def catalog_of(self, client: str) -> Catalog:
        """What models exist for a client: those of all, and its own."""
        spec = self._lent.get(client)
        return self.catalog if spec is None else Catalog({**self.catalog, spec.id: spec})

    @property
    def load(self) -> tuple[int, int]:
        """How many requests (run, wait)."""
        loads = [queue.load for queue in (self._admission, *list(self._elsewhere.values()))]
        return sum(running for running, _ in loads), sum(waiting for _, waiting in loads)

    def resident(self) -> dict[str, LoadedModel]:
        """Models in memory, by id."""
        return self._residency.resident()

    def move_to_zero_gpu(self) -> None:
        """Fetch and open the models for ZeroGPU; in the main thread, before the page is served. Nothing anywhere else.

        Raises:
            ConfigurationError: One that the owner named is not there, or cannot be moved.
        """
        if self.zero_gpu is not None:
            self.zero_gpu.move(models_to_move(self.catalog, self.settings.zero_gpu_models), self._weights.files)

    def preload(self, model_id: str) -> Future[LoadedModel]:
        """Bring a model into memory before it is asked for, one after the other; the future is done when it is there.

        Models that requests wait for are not held up by it.
        """
        return self._residency.request_in_advance(self.catalog[model_id])

    def resolve(self, task: Task[Any, Any], request: Any, model_id: str = AUTO, client: str = "local") -> ModelSpec:
        """The entry that serves a request.

        Args:
            task: What to do.
            request: Its validated request.
            model_id: An entry's id, or ``"auto"`` for the best that is available; see `Selection.best`.
            client: Whose request it is; see `lend`.

        Raises:
            UnknownModelError: No such entry.
            InputError: The entry does not serve this request.
            ModelUnavailableError: It cannot be had here, or none can.
        """
        catalog = self.catalog_of(client)
        if model_id == AUTO:
            return self._selection.best(task, request, catalog)
        return self._selection.asked_for(task, request, catalog, model_id)

    def run(
        self,
        task: Task[Any, Any],
        request: Any,
        *,
        model_id: str = AUTO,
        client: str = "local",
        cancel: CancelToken | None = None,
    ) -> Generator[Event, None, None]:
        """Serve one request.

        Args:
            task: What to do.
            request: Its validated request.
            model_id: As in `resolve`; with ``"auto"``, a remote model that does not answer, or one for which no GPU is
                lent, is replaced by the best that needs neither, and `RunStats.instead_of` says so.
            client: Whose request it is, for fairness and for models of its own.
            cancel: Withdraws the request from another thread. Closing the iterator withdraws it as well.

        Yields:
            `Waiting` and `Loading` while nothing runs, then the task's increments, then `Completed`.

        Raises:
            LlmCoreError: Any of its kinds; nothing else.
        """
        watch = Watch(task.served_name if isinstance(task, _Many) else task.name, client)
        events = self._serve(task, request, model_id, client, cancel or CancelToken(), watch)
        yield from watch.follow(events, self.observers)

    def _serve(
        self, task: Task[Any, Any], request: Any, model_id: str, client: str, cancel: CancelToken, watch: Watch
    ) -> Generator[Event, None, None]:
        asked_at = time.monotonic()
        try:
            spec = self.resolve(task, request, model_id, client)
            watch.model = spec.id
            serve = functools.partial(self._served, task, request, client=client, asked_at=asked_at)
            if model_id == AUTO:
                next_best = functools.partial(self._next_best, task, request, client)
                yield from with_fallback(serve, spec, self._is_elsewhere, next_best, cancel)
            else:
                yield from serve(spec, cancel=cancel)
        except Exception as error:
            told = error if isinstance(error, LlmCoreError) else as_backend_error(error)
            if isinstance(told, OutOfMemoryError):
                self._residency.free_idle()  # the next request finds more
            if told is error:
                raise
            raise told from error

    def answer(self, task: Task[Any, ResultT], request: Any, **options: Any) -> Completed:
        """As `run`, but only the last event."""
        *_, last = self.run(task, request, **options)
        assert isinstance(last, Completed)
        return last

    def run_many(self, task: Task[Any, ResultT], requests: Sequence[Any], **options: Any) -> list[ResultT]:
        """As `stream_many`, but only what it returns."""
        return exhaust(self.stream_many(task, requests, **options))

    def stream_many(
        self,
        task: Task[Any, ResultT],
        requests: Sequence[Any],
        *,
        model_id: str = AUTO,
        client: str = "local",
        cancel: CancelToken | None = None,
    ) -> Generator[Event, None, list[ResultT]]:
        """Serve many requests that one entry serves, with one call of the model where the task allows it.

        Args:
            task: What to do.
            requests: Its validated requests.
            model_id: As in `resolve`.
            client: As in `run`.
            cancel: As in `run`; it is not used up, so that it may go on to further calls.

        Yields:
            `Waiting`, `Loading`, and `Completed` of each call.

        Returns:
            One result for each request.

        Raises:
            LlmCoreError: The first problem; no result is returned then.
        """
        if hasattr(task, "run_many"):
            calls: list[tuple[Task[Any, Any], Any]] = [(_Many(task), tuple(requests))]
        else:
            calls = [(task, request) for request in requests]
        results: list[Any] = []
        for each, request in calls:
            part = cancel.child() if cancel else None
            for event in self.run(each, request, model_id=model_id, client=client, cancel=part):
                if isinstance(event, Completed):
                    results.append(event.result)
                if isinstance(event, Waiting | Loading | Completed):
                    yield event
        return results[0] if hasattr(task, "run_many") else results

    def close(self) -> None:
        """Stop the worker and free all models."""
        self._batcher.close()
        self._residency.close()
        if self._remote is not None:
            self._remote.close()

    def _queue(self, max_shared: int = 32) -> Admission:
        return Admission(
            max_waiting=self.settings.max_waiting,
            max_waiting_per_client=self.settings.max_waiting_per_client,
            max_shared=max_shared,
        )

    def _queue_of(self, spec: ModelSpec) -> Admission:
        if not self._is_elsewhere(spec):
            return self._admission
        remote = spec.tier == "remote"
        name, slots = (spec.id, self._remote.slots(spec)) if remote else (ZERO_GPU, ZERO_GPU_SLOTS)
        with self._elsewhere_lock:
            if name not in self._elsewhere:
                self._elsewhere[name] = self._queue(slots)
            return self._elsewhere[name]

    def _is_elsewhere(self, spec: ModelSpec) -> bool:
        """Whether another process answers, which may also not do so."""
        return spec.tier == "remote" or self._is_on_zero_gpu(spec)

    def _is_on_zero_gpu(self, spec: ModelSpec) -> bool:
        return self.zero_gpu is not None and spec in self.zero_gpu

    def _served(
        self, task: Task[Any, Any], request: Any, spec: ModelSpec, *, client: str, cancel: CancelToken, asked_at: float
    ) -> Generator[Event, None, None]:
        """One request by one entry."""
        model = None if self._is_on_zero_gpu(spec) else (yield from self._until_loaded(spec, cancel))
        many_at_once = isinstance(model, AnswersTogether) or self._is_elsewhere(spec)
        exclusive = spec.head in DECODER_HEADS and not many_at_once
        ticket = self._queue_of(spec).join(client, exclusive=exclusive)
        try:
            yield from ticket.until_granted(cancel, _POLL_SECONDS)
            yield from self._run_granted(task, request, spec, cancel, asked_at)
        finally:
            cancel.cancel()
            ticket.release()

    def _next_best(self, task: Task[Any, Any], request: Any, client: str, failed: frozenset[str]) -> ModelSpec | None:
        """What ``auto`` takes where no model of some tiers answers."""
        with contextlib.suppress(LlmCoreError):
            return self._selection.best(task, request, self.catalog_of(client), without=failed)
        return None

    def _run_granted(
        self, task: Task[Any, Any], request: Any, spec: ModelSpec, cancel: CancelToken, asked_at: float
    ) -> Iterator[Event]:
        with _EngineSession(self, spec, cancel) as session:
            if not self._is_on_zero_gpu(spec):
                session.open(LoadedModel)
            granted_at = time.monotonic()
            cancel.allow(self.settings.request_seconds)
            cancel.check()
            steps = self._steps(task, request, session)
            first_at, tokens = None, 0
            step: Increment | Loading | None = None
            try:
                while True:
                    was_loading, step = isinstance(step, Loading), next(steps)
                    if was_loading:  # only now there is a device
                        granted_at = time.monotonic()
                        cancel.allow(self.settings.request_seconds)
                    if isinstance(step, Delta):
                        first_at = first_at or time.monotonic()
                        tokens += sum(token.count for token in step.tokens)
                    yield step
            except StopIteration as stop:
                result = stop.value
            finally:
                steps.close()
            ended_at = time.monotonic()
            yield Completed(
                result,
                RunStats(
                    model_id=spec.id,
                    device=session.device,
                    first_token_ms=((first_at or ended_at) - granted_at) * 1000,
                    total_ms=(ended_at - granted_at) * 1000,
                    waited_ms=(granted_at - asked_at) * 1000,
                    tokens=tokens,
                ),
            )

    def _steps(
        self, task: Task[Any, Any], request: Any, session: _EngineSession
    ) -> Generator[Increment | Loading, None, Any]:
        if self.zero_gpu is None or session.spec not in self.zero_gpu:
            return task.run(session, request)
        session.device = ZERO_GPU
        return self.zero_gpu.steps(task, request, session.spec, session.cancel)

    def _open(self, spec: ModelSpec) -> LoadedModel:
        started, files = time.monotonic(), self.files(spec)
        opening = functools.partial(self._backends[spec.backend].open, spec, files)
        at_once = spec.head in DECODER_HEADS or spec.tier == "remote"
        model = opening() if at_once else self._batcher.alone(opening)
        logger.info("loaded %s on %s in %.2f s", spec.id, model.device, time.monotonic() - started)
        return model

    def _until_loaded(self, spec: ModelSpec, cancel: CancelToken) -> Generator[Event, None, LoadedModel]:
        future = self._residency.request(spec)
        if not future.done():
            yield Loading(spec.id)
        return _result(future, cancel)


class _EngineSession:
    """The session of one request; keeps the models it opened in memory until the request ends."""

    def __init__(self, engine: Engine, spec: ModelSpec, cancel: CancelToken) -> None:
        self.spec = spec
        self.cancel = cancel
        self.device = ""
        self._engine = engine
        self._held = contextlib.ExitStack()
        self._models: dict[str, LoadedModel] = {}

    def __enter__(self) -> _EngineSession:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def open(self, capability: type[CapabilityT], model_id: str | None = None) -> CapabilityT:
        """See `session.Session.open`."""
        spec = self.spec if model_id is None else self._engine.catalog[model_id]
        if spec.id not in self._models:
            self._models[spec.id] = self._hold(spec)
        model = self._models[spec.id]
        if spec is self.spec:
            self.device = model.device
        if not isinstance(model, capability):
            raise BackendError(f"{spec.id} cannot do this: its runtime does not offer {capability.__name__}")
        if spec.head in DECODER_HEADS or spec.tier == "remote" or capability is LoadedModel:
            return model
        return SharedEncoder(model, self._engine._batcher)  # type: ignore[return-value]

    def companion(self, task: str, capability: type[CapabilityT]) -> CapabilityT:
        """See `session.Session.companion`."""
        able = (spec for spec in self._engine.catalog.for_task(task) if self._engine.availability(spec).available)
        first = next(able, None)
        if first is None:
            raise ModelUnavailableError(task, "no model of the catalogue that does this is available here")
        if first.tier != "remote":
            return self.open(capability, first.id)
        rest: Any = (functools.partial(self.open, capability, spec.id) for spec in able)
        return FirstToEmbed(self.open(capability, first.id), rest)  # type: ignore[return-value,arg-type]

    def _hold(self, spec: ModelSpec) -> LoadedModel:
        while True:
            _result(self._engine._residency.request(spec), self.cancel)
            model = self._held.enter_context(self._engine._residency.use(spec.id))
            if model is not None:
                return model


class _Many:
    """A batch of requests as one request."""

    name: ClassVar[str] = "many"
    request_type: ClassVar[type[Any]] = tuple

    def __init__(self, task: Any) -> None:
        self._task = task
        self.served_name: str = task.name

    def candidates(self, catalog: Catalog, requests: tuple[Any, ...]) -> tuple[ModelSpec, ...]:
        serving = [self._task.candidates(catalog, request) for request in requests]
        return tuple(spec for spec in serving[0] if all(spec in others for others in serving))

    def run(self, session: Any, requests: tuple[Any, ...]) -> Generator[Increment, None, list[Any]]:
        yield Progress(0, len(requests))
        task: _RunsMany = self._task
        return task.run_many(session, requests)


def create_engine(settings: Settings | None = None, on_gpu: OnGpu | None = None) -> Engine:
    """An engine with the shipped catalogue, the owner's remote models and all runtimes; loads nothing yet.

    Args:
        settings: Default: those of the environment.
        on_gpu: What runs functions on ZeroGPU, on a Space that has it; no model is moved there yet.

    Raises:
        ConfigurationError: The file of remote models is not right.
    """
    settings = settings or Settings()
    remote = load_endpoints(settings.remote) if settings.remote else RemoteModels()
    catalog = remote.added_to(load_catalog())
    weights = WeightStore(settings, catalog)
    zero_gpu = ZeroGpu(on_gpu, runtime_for_zero_gpu(settings)) if on_gpu else None
    return Engine(catalog, weights, settings, LazyRuntimes(settings, catalog, weights, remote), zero_gpu)


def _result(future: Future[LoadedModel], cancel: CancelToken) -> LoadedModel:
    """The loaded model; gives up waiting, not loading, when the request is withdrawn."""
    while True:
        try:
            return future.result(timeout=_POLL_SECONDS)
        except TimeoutError:
            if future.done():
                raise
            cancel.check()
