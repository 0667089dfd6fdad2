"""Calls on a GPU that another process has: what crosses, what a withdrawn request leaves, what answers instead.

Here each call is handed copies only, made by pickle; a real fork is in `tests/demos/test_zero_gpu.py`.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from llm_core.backends.base import Embeds
from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog, ModelSpec, load_catalog
from llm_core.engine import Engine
from llm_core.errors import (
    BackendError,
    CancelledError,
    ConfigurationError,
    DeadlineExceededError,
    GpuRefusedError,
    InputError,
    LlmCoreError,
    ModelUnavailableError,
    NoAnswerError,
    WeightsError,
)
from llm_core.gpu_time import MAX_SECONDS, compute_seconds, start_seconds
from llm_core.settings import Settings
from llm_core.tasks import ABOUT_ANSWERS, TASK_NAMES, find_task
from llm_core.tasks.instructed import InstructedTask
from llm_core.types import CancelToken, Completed, Delta, Loading
from llm_core.weights import WeightStore
from llm_core.zero_gpu import MOVED_BYTES, Work, ZeroGpu, models_to_move
from tests.support.echo import echo_encoder, echo_spec
from tests.support.remote_servers import faulty, remote_engine, remote_model
from tests.support.tasks import Measure

GENERATE = find_task("generate")
FROM_THE_HUB: dict[str, Any] = {"tier": "hub", "backend": "transformers", "hub": {"repo": "a/b", "revision": "main"}}
LARGE, SMALL = echo_spec("large", tier="hub"), echo_spec("small", prompt_template="plain")


def copied(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


class Boundary:
    """Runs calls with copies, of what goes in as of what comes out; refuses them on demand."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.seconds: list[int] = []
        self.closed = threading.Event()

    def __call__(self, work: Work, seconds: Callable[..., int]) -> Work:
        def call(*arguments: Any) -> Generator[Any, None, None]:
            self.seconds.append(seconds(*arguments))
            if self.refusal is not None:
                raise self.refusal
            try:
                for sent in work(*copied(arguments)):
                    yield copied(sent)
            finally:
                self.closed.set()

        return call


@contextmanager
def engine_with(
    *moved: ModelSpec, here: tuple[ModelSpec, ...] = (SMALL,), backend: EchoBackend | None = None, **settings: Any
) -> Iterator[tuple[Engine, Boundary]]:
    boundary, catalog = Boundary(), Catalog({spec.id: spec for spec in (*moved, *here)})
    chosen = Settings(offline=True, memory_budget_bytes=1 << 30, **settings)
    weights = WeightStore(chosen, catalog)
    gpu = ZeroGpu(boundary, backend or EchoBackend())
    gpu.move(moved, weights.files)
    with closing(Engine(catalog, weights, chosen, {"echo": EchoBackend()}, gpu)) as engine:
        yield engine, boundary


def asked(**fields: Any) -> Any:
    return GENERATE.request_type.parse({"prompt": "to be or not", "max_new_tokens": 8, **fields})


def test_auto_takes_what_writes_on_the_gpu_and_says_where_it_ran() -> None:
    with engine_with(LARGE) as (engine, boundary):
        events = list(engine.run(GENERATE, asked()))
        assert isinstance(events[0], Loading) and isinstance(events[-1], Completed)
        text = "".join(event.text for event in events if isinstance(event, Delta))
        stats = events[-1].stats
        assert text.strip() == events[-1].result.text and text.startswith("to be or not to")
        assert (stats.model_id, stats.device, stats.tokens, stats.instead_of) == ("large", "ZeroGPU", 8, "")
        assert boundary.closed.is_set() and engine.load == (0, 0)
        assert engine.resident() == {}, "nothing was loaded here"


def test_encoders_of_the_gpu_come_after_those_that_are_here() -> None:
    far, near = echo_encoder("far", tier="hub"), echo_encoder("near")
    request = Measure.request_type.parse({"text": "abc"})
    with engine_with(far, here=(near,)) as (engine, _):
        assert engine.answer(Measure(), request).stats.model_id == "near"
        assert engine.answer(Measure(), request, model_id="far").stats.device == "ZeroGPU"
    with engine_with(far, here=()) as (engine, _):
        assert engine.answer(Measure(), request).stats.model_id == "far"
        assert [result.length for result in engine.run_many(Measure(), [request] * 3)] == [3, 3, 3]


@pytest.mark.parametrize("reason", ["quota", "anonymous", "busy", "long", "expired", "failed"])
def test_without_a_gpu_auto_falls_back_and_says_so(reason: Any) -> None:
    with engine_with(LARGE) as (engine, boundary):
        boundary.refusal = GpuRefusedError(reason)
        stats = engine.answer(GENERATE, asked(template="story")).stats
        assert (stats.model_id, stats.device, stats.instead_of) == ("small", "cpu", "large")
        with pytest.raises(GpuRefusedError) as refused:
            engine.answer(GENERATE, asked(), model_id="large")
        assert refused.value.reason == reason and engine.load == (0, 0)


def test_a_remote_model_comes_first_then_the_gpu_then_what_is_here() -> None:
    with faulty(status=500) as server, closing(remote_engine(remote_model(server.url), SMALL)) as plain:
        catalog = Catalog({**plain.catalog, LARGE.id: LARGE})
        weights, boundary = WeightStore(plain.settings, catalog), Boundary()
        gpu = ZeroGpu(boundary, EchoBackend())
        gpu.move([LARGE], weights.files)
        backends = {"echo": EchoBackend(), "remote": plain._remote}
        engine = Engine(catalog, weights, plain.settings, backends, gpu)
        assert (found := engine.answer(GENERATE, asked()).stats).model_id == "large" and found.instead_of == "far"
        boundary.refusal = GpuRefusedError("busy")
        assert (found := engine.answer(GENERATE, asked()).stats).model_id == "small" and found.instead_of == "far"


def test_models_that_were_not_moved_cannot_be_had() -> None:
    other = echo_spec("other", **FROM_THE_HUB)
    with engine_with(LARGE, here=(SMALL, other)) as (engine, _):
        with pytest.raises(ModelUnavailableError, match="was not moved to ZeroGPU when the page started"):
            engine.answer(GENERATE, asked(), model_id="other")
        assert engine.answer(GENERATE, asked(), model_id="small").stats.device == "cpu"


def test_what_cannot_be_opened_is_left_out() -> None:
    class Broken(EchoBackend):
        def open(self, spec: ModelSpec, files: Any) -> Any:
            if spec.id != LARGE.id:
                raise WeightsError("cut short") if spec.id == "broken" else RuntimeError("CUDA")
            return super().open(spec, files)

    boundary, catalog = (
        Boundary(),
        Catalog({each: echo_spec(each, **FROM_THE_HUB) for each in ("broken", "odd")} | {LARGE.id: LARGE}),
    )
    gpu, chosen = ZeroGpu(boundary, Broken()), Settings(offline=True)
    gpu.move(catalog.values(), lambda spec: None)  # type: ignore[arg-type, return-value]
    with closing(Engine(catalog, WeightStore(chosen, catalog), chosen, {}, gpu)) as engine:
        assert engine.answer(GENERATE, asked()).stats.model_id == "large"


def failing(error: Exception) -> EchoBackend:
    return EchoBackend(failures=lambda call: error)


@pytest.mark.parametrize(
    ("thrown", "kind", "message"),
    [
        (InputError("prompt", "must fit", 7), InputError, "prompt: must fit"),
        (DeadlineExceededError(3.0), DeadlineExceededError, "the 3 s allowed"),
        (RuntimeError("CUDA error: secret text"), BackendError, r"runtime failed \(RuntimeError\)"),
        (RuntimeError("CUDA out of memory"), BackendError, "ran out of memory"),
    ],
)
def test_what_a_task_raises_there_is_raised_here(thrown: Exception, kind: type[LlmCoreError], message: str) -> None:
    with engine_with(LARGE, backend=failing(thrown)) as (engine, _):
        with pytest.raises(kind, match=message) as raised:
            engine.answer(GENERATE, asked())
        assert not isinstance(raised.value, NoAnswerError), "the GPU was there: nobody else is asked"
        assert "secret" not in str(raised.value)
    assert getattr(copied(thrown), "value", None) == getattr(thrown, "value", None)


def test_stop_frees_the_caller_at_once_and_the_gpu_at_the_next_token() -> None:
    backend = EchoBackend(seconds_per_token=0.05)
    with engine_with(LARGE, backend=backend) as (engine, boundary):
        cancel, heard = CancelToken(), 0
        with pytest.raises(CancelledError):
            for event in engine.run(GENERATE, asked(max_new_tokens=1000), cancel=cancel):
                heard += isinstance(event, Delta)
                if heard == 3:
                    cancel.cancel()
        assert boundary.closed.wait(5) and backend.running == 0 and engine.load == (0, 0)


def test_a_caller_that_leaves_stops_the_gpu() -> None:
    backend = EchoBackend(seconds_per_token=0.02)
    with engine_with(LARGE, backend=backend) as (engine, boundary):
        with contextlib.closing(engine.run(GENERATE, asked(max_new_tokens=1000))) as events:
            assert any(isinstance(event, Delta) for event in events)
        assert boundary.closed.wait(5) and backend.running == 0 and engine.load == (0, 0)


def test_stop_while_there_is_no_gpu_yet_waits_for_nobody() -> None:
    granted, closed = threading.Event(), threading.Event()

    def on_gpu(work: Work, seconds: Callable[..., int]) -> Work:
        def call(*arguments: Any) -> Generator[Any, None, None]:
            granted.wait(30)
            try:
                yield from work(*arguments)
            finally:
                closed.set()

        return call

    gpu, cancel = ZeroGpu(on_gpu, EchoBackend()), CancelToken()
    gpu.move([LARGE], lambda spec: None)  # type: ignore[arg-type, return-value]
    steps = gpu.steps(GENERATE, asked(), LARGE, cancel)
    assert isinstance(next(steps), Loading)
    threading.Timer(0.1, cancel.cancel).start()
    with pytest.raises(CancelledError):
        next(steps)
    assert not granted.is_set() and not closed.is_set()
    granted.set()
    assert closed.wait(5), "the GPU that comes too late goes back"


def test_a_worker_that_ends_without_an_answer_is_a_failure() -> None:
    def on_gpu(work: Work, seconds: Callable[..., int]) -> Work:
        def call(*arguments: Any) -> Generator[Any, None, None]:
            yield next(work(*arguments))

        return call

    gpu = ZeroGpu(on_gpu, EchoBackend())
    gpu.move([LARGE], lambda spec: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(BackendError, match="ended without an answer"):
        list(gpu.steps(GENERATE, asked(), LARGE, CancelToken()))


def test_the_worker_has_a_deadline_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_core.zero_gpu.compute_seconds", lambda spec, request: 0.1)
    with engine_with(LARGE, backend=EchoBackend(seconds_per_token=0.05)) as (engine, boundary):
        with pytest.raises(DeadlineExceededError, match="0.1 s"):
            engine.answer(GENERATE, asked(max_new_tokens=1000))
        assert boundary.closed.is_set()


def test_a_companion_is_one_that_was_moved() -> None:
    class Beside(Measure):
        def run(self, session: Any, request: Any) -> Any:
            yield from ()
            assert session.spec.id == "large" and session.companion("embed", Embeds).embed(["a"], session.cancel).any()
            return session.companion("translate", Embeds)

        def candidates(self, catalog: Catalog, request: Any) -> tuple[ModelSpec, ...]:
            return (LARGE,)

    globals()["Beside"] = Beside
    Beside.__qualname__ = "Beside"
    with engine_with(LARGE, echo_encoder("vectors", tier="hub")) as (engine, _):
        with pytest.raises(ModelUnavailableError, match="translate is not available: it was not moved"):
            engine.answer(Beside(), Measure.request_type.parse({"text": "abc"}))


@pytest.mark.parametrize("name", TASK_NAMES + ABOUT_ANSWERS)
def test_every_task_crosses(name: str) -> None:
    task = find_task(name)
    assert copied(task).name == name


@pytest.mark.parametrize("name", ["classify", "sentiment", "entities", "answer", "translate"])
def test_tasks_told_in_words_cross(name: str) -> None:
    task = copied(InstructedTask(find_task(name)))
    assert task.name == name and task._instruction.max_new_tokens > 0


def test_results_cross_whatever_the_task() -> None:
    labels = {"head": "sequence_classification", "tier": "hub", "labels": ("positive", "neutral", "negative")}
    moved = (
        LARGE,
        echo_encoder("feelings", **labels, tasks=("sentiment",)),
        echo_encoder("reader", head="span_extraction", tasks=("answer",), tier="hub"),
        echo_encoder("tagger", head="token_classification", tasks=("entities",), labels=("O", "B-PER"), tier="hub"),
        echo_encoder("vectors", tier="hub"),
        echo_spec("mt", head="seq2seq", tasks=("translate",), language_pairs=(("en", "zh"),), tier="hub"),
    )
    requests: dict[str, dict[str, Any]] = {
        "sentiment": {"text": "positive. Negative!"},
        "answer": {"question": "Who is Ann?", "context": "It is Ann who came. " * 200},
        "entities": {"text": "Ann met Ben."},
        "classify": {"text": "a ball game", "labels": ["sports", "business"]},
        "translate": {"text": "One two.\n\nThree four.", "source": "en", "target": "zh"},
        "complete": {"prefix": "def add(a, b):", "candidates": 2, "max_new_tokens": 6},
        "generate": {"prompt": "to be", "max_new_tokens": 4, "top_alternatives": 2},
    }
    with engine_with(*moved, here=()) as (engine, boundary):
        for name, fields in requests.items():
            task = find_task(name)
            completed = engine.answer(task, task.request_type.parse(fields))
            assert completed.stats.device == "ZeroGPU" and completed.result.record(), name
        assert all(5 < seconds < 120 for seconds in boundary.seconds)


def test_longer_answers_and_larger_models_ask_for_more_time() -> None:
    catalog = load_catalog()
    decoder, half = catalog["qwen3-4b-instruct"], catalog["qwen2.5-0.5b-instruct"]
    short, long = asked(max_new_tokens=64), asked(max_new_tokens=512)
    assert compute_seconds(half, short) < compute_seconds(decoder, short) < compute_seconds(decoder, long)
    assert compute_seconds(decoder, asked(max_new_tokens=1024)) <= MAX_SECONDS
    complete = find_task("complete").request_type
    one, four = (complete.parse({"prefix": "x", "candidates": count}) for count in (1, 4))
    assert compute_seconds(half, one) < compute_seconds(half, four)
    assert compute_seconds(half, (short, short)) > compute_seconds(half, short)
    encoder = catalog["multilingual-sentiment"]
    text = find_task("sentiment").request_type.parse({"text": "good " * 2000})
    assert compute_seconds(encoder, (text,) * 4) > compute_seconds(encoder, text) > compute_seconds(encoder, "good")
    assert start_seconds(0) < start_seconds(MOVED_BYTES) < 20


def test_by_itself_it_moves_a_model_for_each_task_and_language_that_fit() -> None:
    catalog = load_catalog()
    chosen = models_to_move(catalog)
    assert sum(spec.memory_bytes for spec in chosen) <= MOVED_BYTES
    assert all(spec.tier == "hub" and spec.backend == "transformers" for spec in chosen)
    done = {task for spec in chosen for task in spec.tasks}
    assert {"generate", "complete", "translate", "sentiment", "answer", "entities", "embed"} <= done


def test_the_owner_names_models() -> None:
    catalog = load_catalog()
    settings = Settings(zero_gpu_models="qwen3-0.6b, nllb-200-distilled-600m")  # type: ignore[arg-type]
    assert [spec.id for spec in models_to_move(catalog, settings.zero_gpu_models)] == [
        "qwen3-0.6b",
        "nllb-200-distilled-600m",
    ]
    for wrong in ("nothing", "sentiment-en", "smollm2-135m-instruct"):
        with pytest.raises(ConfigurationError, match=f"LLM_CORE_ZERO_GPU_MODELS: {wrong}"):
            models_to_move(catalog, (wrong,))


def test_time_without_a_gpu_is_no_time_of_the_model() -> None:
    def on_gpu(work: Work, seconds: Callable[..., int]) -> Work:
        def call(*arguments: Any) -> Generator[Any, None, None]:
            time.sleep(0.3)
            yield from work(*arguments)

        return call

    catalog, chosen = Catalog({LARGE.id: LARGE}), Settings(offline=True)
    weights, gpu = WeightStore(chosen, catalog), ZeroGpu(on_gpu, EchoBackend())
    gpu.move([LARGE], weights.files)
    with closing(Engine(catalog, weights, chosen, {"echo": EchoBackend()}, gpu)) as engine:
        stats = engine.answer(GENERATE, asked()).stats
    assert stats.waited_ms >= 300 > stats.total_ms
