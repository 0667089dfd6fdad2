"""The engine over echo models: choice of model, events, deadlines, cancellation, errors, fairness, batching."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from llm_core.backends.base import Embeds, Generates
from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog, ModelSpec
from llm_core.engine import Engine
from llm_core.errors import (
    BackendError,
    BusyError,
    CancelledError,
    DeadlineExceededError,
    InputError,
    ModelUnavailableError,
    OutOfMemoryError,
    UnknownModelError,
)
from llm_core.session import Session, Steps
from llm_core.types import CancelToken, Completed, Delta, Loading, Sampling, Waiting
from tests.support.echo import echo_encoder, echo_engine, echo_spec


class Repeat:
    """A decoder task: the prompt, generated."""

    name: ClassVar[str] = "generate"
    request_type: ClassVar[type[Any]] = str

    def candidates(self, catalog: Catalog, request: str) -> tuple[ModelSpec, ...]:
        return catalog.for_task(self.name)

    def run(self, session: Session, request: str) -> Steps[str]:
        words = []
        tokens = session.open(Generates).generate(request, Sampling(max_new_tokens=50), session.cancel)
        for token in tokens:
            words.append(token.text)
            yield Delta(token.text, (token,))
        return "".join(words)


class Encode:
    """An encoder task: one embedding."""

    name: ClassVar[str] = "embed"
    request_type: ClassVar[type[Any]] = str

    def candidates(self, catalog: Catalog, request: str) -> tuple[ModelSpec, ...]:
        return catalog.for_task(self.name)

    def run(self, session: Session, request: str) -> Steps[float]:
        yield from ()
        return float(session.open(Embeds).embed([request], session.cancel).sum())

    def run_many(self, session: Session, requests: list[str]) -> list[float]:
        return [float(row.sum()) for row in session.open(Embeds).embed(requests, session.cancel)]


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    """Engines that a test puts here are closed after it."""
    opened: list[Engine] = []
    yield opened
    for engine in opened:
        engine.close()


def start(engines: list[Engine], *specs: ModelSpec, **options: Any) -> Engine:
    engines.append(echo_engine(*specs, **options))
    return engines[-1]


def test_a_run_ends_in_its_result_and_what_it_cost(engines: list[Engine]) -> None:
    engine = start(engines, backend=EchoBackend(seconds_per_token=0.001))
    events = list(engine.run(Repeat(), "one two"))
    assert isinstance(events[0], Loading)
    completed = events[-1]
    assert isinstance(completed, Completed)
    assert completed.result == "one two " * 25
    assert completed.stats.model_id == "echo"
    assert completed.stats.tokens == 50
    assert 0 < completed.stats.first_token_ms < completed.stats.total_ms
    assert completed.stats.tokens_per_second == pytest.approx(
        49 / (completed.stats.total_ms - completed.stats.first_token_ms) * 1000
    )


def test_a_resident_model_is_not_loaded_again(engines: list[Engine]) -> None:
    engine = start(engines)
    engine.answer(Repeat(), "once")
    assert not any(isinstance(event, Loading) for event in engine.run(Repeat(), "twice"))


def test_auto_takes_the_first_that_the_gpu_has_room_for(engines: list[Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_core.engine.default_device", lambda: "cuda")
    monkeypatch.setattr("llm_core.selection.device_memory_bytes", lambda device: 24 * 10**9)
    sizes = {"large": 21 * 10**9, "middle": 19 * 10**9, "small": 10**9}
    specs = [echo_spec(name, memory_bytes=size) for name, size in sizes.items()]
    engine = start(engines, *specs, memory_budget_bytes=10**12)
    assert engine.resolve(Repeat(), "x").id == "middle", "a fifth more is needed to compute"
    assert engine.resolve(Repeat(), "x", "large").id == "large", "who asks for it gets it"


def test_auto_prefers_the_first_candidate_and_a_choice_is_respected(engines: list[Engine]) -> None:
    engine = start(engines, echo_spec("first"), echo_spec("second"))
    assert engine.resolve(Repeat(), "x").id == "first"
    assert engine.resolve(Repeat(), "x", "second").id == "second"


class Reads(Repeat):
    """A task whose models read some languages only."""

    def candidates(self, catalog: Catalog, request: str) -> tuple[ModelSpec, ...]:
        able = tuple(spec for spec in catalog.for_task(self.name) if request in spec.languages)
        if len(catalog) and not able:
            raise InputError("text", f"is not in {next(iter(catalog.values())).languages[0]}")
        return able


def test_a_choice_that_cannot_serve_says_what_in_the_request_is_to_blame(engines: list[Engine]) -> None:
    engine = start(engines, echo_spec("english", languages=("en",)), echo_spec("chinese", languages=("zh",)))
    assert engine.resolve(Reads(), "zh").id == "chinese"
    with pytest.raises(InputError, match="text: is not in en"):
        engine.resolve(Reads(), "zh", "english")


def test_when_only_an_absent_model_would_serve_both_reasons_are_given(engines: list[Engine]) -> None:
    large = echo_spec("large", languages=("zh",), memory_bytes=2 << 40)
    engine = start(engines, echo_spec("english", languages=("en",)), large)
    with pytest.raises(InputError, match="text: is not in en. large would serve, but is .*memory"):
        engine.resolve(Reads(), "zh")


def test_an_unknown_model_is_named_with_suggestions(engines: list[Engine]) -> None:
    with pytest.raises(UnknownModelError, match="did you mean echo-small"):
        start(engines, echo_spec("echo-small")).answer(Repeat(), "x", model_id="echo-smal")


def test_a_model_of_another_task_is_refused(engines: list[Engine]) -> None:
    with pytest.raises(InputError, match="echo-embed does not serve this generate request; these do: echo"):
        start(engines, echo_spec(), echo_encoder()).answer(Repeat(), "x", model_id="echo-embed")


def test_without_any_candidate_the_task_is_unavailable(engines: list[Engine]) -> None:
    with pytest.raises(ModelUnavailableError, match="no model for this request"):
        start(engines, echo_spec()).answer(Encode(), "x")


def test_a_model_too_large_for_the_budget_says_so(engines: list[Engine]) -> None:
    engine = start(engines, echo_spec(memory_bytes=2 << 30))
    with pytest.raises(ModelUnavailableError, match="memory"):
        engine.answer(Repeat(), "x")


def test_cancelling_reaches_the_model_within_200_ms(engines: list[Engine]) -> None:
    backend = EchoBackend(seconds_per_token=0.02)
    engine, cancel = start(engines, backend=backend), CancelToken()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(engine.answer, Repeat(), "word", cancel=cancel)
        while not backend.running:
            time.sleep(0.001)
        cancel.cancel()
        asked = time.monotonic()
        with pytest.raises(CancelledError):
            future.result(1)
    assert time.monotonic() - asked < 0.2
    assert (backend.running, engine.load) == (0, (0, 0))


def test_closing_the_stream_stops_the_model_and_frees_the_device(engines: list[Engine]) -> None:
    backend = EchoBackend()
    engine = start(engines, backend=backend)
    stream = engine.run(Repeat(), "word")
    while not isinstance(next(stream), Delta):
        pass
    assert (backend.running, engine.load) == (1, (1, 0))
    stream.close()
    assert (backend.running, engine.load) == (0, (0, 0))


def test_a_request_that_takes_too_long_is_stopped(engines: list[Engine]) -> None:
    engine = start(engines, backend=EchoBackend(seconds_per_token=0.02), request_seconds=0.1)
    with pytest.raises(DeadlineExceededError, match="longer than the 0.1 s"):
        engine.answer(Repeat(), "word")


def test_decoders_take_turns_and_say_how_many_are_ahead(engines: list[Engine]) -> None:
    engine = start(engines, backend=EchoBackend(seconds_per_token=0.002))
    running = engine.run(Repeat(), "first", client="ada")
    while not isinstance(next(running), Delta):
        pass
    waiting = engine.run(Repeat(), "second", client="bob")
    assert next(waiting) == Waiting(1)
    running.close()
    assert isinstance(list(waiting)[-1], Completed)


def test_the_excess_is_told_to_come_back(engines: list[Engine]) -> None:
    engine = start(engines, backend=EchoBackend(seconds_per_token=0.01), max_waiting=1)
    running = engine.run(Repeat(), "first")
    while not isinstance(next(running), Delta):
        pass
    waiting = engine.run(Repeat(), "second")
    next(waiting)
    with pytest.raises(BusyError, match="try again in"):
        engine.answer(Repeat(), "third")
    waiting.close()
    running.close()
    assert engine.load == (0, 0)


def test_concurrent_encoder_requests_share_batches(engines: list[Engine]) -> None:
    backend = EchoBackend(seconds_per_call=0.02)
    engine = start(engines, echo_encoder(), backend=backend)
    engine.answer(Encode(), "warm")
    barrier = threading.Barrier(8)

    def ask(number: int) -> Any:
        barrier.wait(5)
        return engine.answer(Encode(), f"text {number}", client=str(number)).result

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    alone = [engine.answer(Encode(), f"text {number}").result for number in range(8)]
    assert answers == alone
    assert max(backend.batch_sizes) > 1
    assert sum(backend.batch_sizes) == 1 + 8 + 8


def test_many_requests_are_one_call(engines: list[Engine]) -> None:
    backend = EchoBackend()
    engine = start(engines, echo_encoder(), backend=backend)
    assert len(engine.run_many(Encode(), ["a", "b", "c"])) == 3
    assert backend.batch_sizes == [3]


def test_tasks_without_a_batch_path_run_one_by_one(engines: list[Engine]) -> None:
    assert len(start(engines).run_many(Repeat(), ["a", "b"])) == 2


def test_a_runtime_s_failure_becomes_a_readable_error(engines: list[Engine], caplog: pytest.LogCaptureFixture) -> None:
    secret = "/secret/path/token=canary"
    backend = EchoBackend(failures=lambda call: ValueError(secret) if call == 0 else None)
    engine = start(engines, backend=backend)
    with pytest.raises(BackendError, match="runtime failed \\(ValueError\\)") as caught:
        engine.answer(Repeat(), "x")
    assert "canary" not in str(caught.value)
    assert engine.load == (0, 0)
    assert engine.answer(Repeat(), "x").result


@pytest.mark.parametrize("failing_call", [1, 3, 7])
def test_out_of_memory_costs_no_answer_and_leaks_no_slot(engines: list[Engine], failing_call: int) -> None:
    backend = EchoBackend(failures=lambda call: MemoryError() if call == failing_call else None)
    engine = start(engines, echo_encoder(), backend=backend)
    answers = [engine.answer(Encode(), f"text {number}").result for number in range(100)]
    assert len(answers) == 100
    assert engine.load == (0, 0)


def test_a_decoder_out_of_memory_is_a_clear_error(engines: list[Engine], caplog: pytest.LogCaptureFixture) -> None:
    backend = EchoBackend(failures=lambda call: RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    engine = start(engines, echo_spec(), echo_encoder(), backend=backend)
    engine.preload("echo-embed").result()
    with pytest.raises(OutOfMemoryError, match="shorter text or a smaller model"):
        engine.answer(Repeat(), "x")
    assert not engine.resident(), "the next request finds more memory"


def test_a_model_without_the_capability_is_a_clear_error(engines: list[Engine]) -> None:
    class Wrong(Repeat):
        def run(self, session: Session, request: str) -> Steps[str]:
            yield from ()
            return str(session.open(_Sings))

    with pytest.raises(BackendError, match="does not offer _Sings"):
        start(engines).answer(Wrong(), "x")


class _Sings:
    """A capability nobody has."""


def test_preloading_brings_a_model_into_memory(engines: list[Engine]) -> None:
    engine = start(engines)
    engine.preload("echo").result(5)
    assert list(engine.resident()) == ["echo"]
