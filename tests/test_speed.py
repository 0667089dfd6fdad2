"""Speeds are measured as visitors use the models, and only while nobody else does. Nothing depends on the clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from llm_core.backends.echo import EchoBackend
from llm_core.catalog import load_catalog
from llm_core.engine import Engine
from llm_core.speed import BATCH, ROUNDS, Speedometer, measure_speed, sample_request
from llm_core.tasks import TASK_NAMES, find_task
from tests.support.echo import echo_encoder, echo_engine, echo_spec

HEAD: dict[str, Any] = {"head": "sequence_classification", "tasks": ("sentiment",), "labels": ("good", "bad")}
WRITER, FEELINGS = echo_spec("writer"), echo_encoder("feelings", **HEAD)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_core.speed.QUIET_SECONDS", 0.02)
    monkeypatch.setattr("llm_core.speed._POLL_SECONDS", 0.01)


@pytest.fixture
def backend() -> EchoBackend:
    return EchoBackend(seconds_per_token=0.001)


@pytest.fixture
def engine(backend: EchoBackend) -> Iterator[Engine]:
    with closing(echo_engine(WRITER, FEELINGS, echo_spec("base", tasks=("embed",)), backend=backend)) as made:
        yield made


@pytest.mark.parametrize("spec", load_catalog().values(), ids=list(load_catalog()))
def test_there_is_a_valid_sample_for_every_entry_that_does_a_task(spec: Any) -> None:
    fields, task = sample_request(spec), next((name for name in spec.tasks if name in TASK_NAMES), None)
    assert (fields is None) == (task is None)
    if task is not None:
        request = find_task(task).request_type.parse(fields)
        assert spec in find_task(task).candidates(load_catalog(), request)


def test_a_decoder_counts_tokens_and_an_encoder_texts(engine: Engine, backend: EchoBackend) -> None:
    written, read = measure_speed(engine, WRITER), measure_speed(engine, FEELINGS)
    assert written is not None and read is not None
    assert (written.unit, read.unit, written.device) == ("tokens", "texts", "cpu")
    assert written.per_second > 0 and read.per_second > 0 and written.first_ms > 0
    assert backend.batch_sizes == [1] * (ROUNDS + 1) + [BATCH] * ROUNDS
    assert measure_speed(engine, engine.catalog["base"]) is None


def test_it_waits_for_the_models_and_measures_each_once(engine: Engine) -> None:
    loads = [engine.preload(spec.id) for spec in (WRITER, FEELINGS)]
    with closing(Speedometer(engine)) as speeds:
        assert speeds.awaited() == frozenset(), "not started"
        speeds.start(loads)
        until(lambda: not speeds.awaited())
        found = speeds.speed("writer"), speeds.speed("feelings")
        assert [speed.unit for speed in found if speed] == ["tokens", "texts"]
        assert speeds.speed("base") is None


def test_a_model_that_is_not_in_memory_is_not_loaded_for_it(engine: Engine) -> None:
    engine.preload("writer").result()
    with closing(Speedometer(engine)) as speeds:
        speeds.start()
        until(lambda: speeds.speed("writer") is not None)
        assert speeds.awaited() == {"feelings"} and set(engine.resident()) == {"writer"}
    assert speeds.awaited() == frozenset(), "closed"


def test_it_gives_way_to_a_visitor_and_goes_on_later(engine: Engine, backend: EchoBackend) -> None:
    backend.seconds_per_token = 0.02
    engine.preload("writer").result()
    with closing(Speedometer(engine)) as speeds:
        speeds.start()
        until(lambda: backend.running > 0)
        task = find_task("generate")
        request = task.request_type.parse({"prompt": "a b c", "max_new_tokens": 1})
        waited = engine.answer(task, request, model_id="writer").stats.waited_ms
        assert waited < 48 * 20, "the measurement's own answer takes 48 tokens; it was withdrawn before"
        assert speeds.speed("writer") is None
        backend.seconds_per_token = 0.001
        until(lambda: speeds.speed("writer") is not None)


def test_nothing_is_measured_while_requests_run(engine: Engine, backend: EchoBackend) -> None:
    backend.seconds_per_token = 0.01
    engine.preload("writer").result()
    task = find_task("generate")
    events = engine.run(task, task.request_type.parse({"prompt": "a", "max_new_tokens": 60}), model_id="writer")
    next(events)
    with closing(Speedometer(engine)) as speeds:
        speeds.start()
        for _ in events:
            assert backend.running <= 1
        until(lambda: speeds.speed("writer") is not None)


def test_a_model_that_fails_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    backend = EchoBackend(failures=lambda call: RuntimeError("broken"))
    with closing(echo_engine(WRITER, backend=backend)) as engine, closing(Speedometer(engine)) as speeds:
        engine.preload("writer").result()
        speeds.start()
        until(lambda: not speeds.awaited())
        assert speeds.speed("writer") is None
        assert "the speed of writer was not measured" in caplog.text


def until(done: Any, seconds: float = 60.0) -> None:
    """Waits for what another thread does."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.005)):
        if done():
            return
        pause.wait(0.005)
    pytest.fail("it never came to pass")
