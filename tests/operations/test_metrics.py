"""Figures as Prometheus reads them: right numbers, bounded labels, no text of a visitor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from llm_core.backends.base import ModelFiles
from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.errors import LlmCoreError
from llm_core.operations.metrics import VISITORS_MODEL, Metrics
from llm_core.speed import CLIENT
from llm_core.tasks import find_task
from tests.support.echo import echo_engine, echo_spec

SECRET = "xyzzy"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def engine() -> Iterator[Engine]:
    with closing(echo_engine(echo_spec(), backend=EchoBackend(seconds_per_token=0.001))) as made:
        yield made


def ask(engine: Engine, client: str = "ann", model: str = "auto") -> None:
    request = find_task("generate").request_type.parse({"prompt": f"say {SECRET}", "max_new_tokens": 5})
    engine.answer(find_task("generate"), request, client=client, model_id=model)


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = metrics.exposition("text/plain")[0].decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics).get((name, frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_task_and_outcome(engine: Engine) -> None:
    metrics = Metrics(engine)
    ask(engine)
    ask(engine)
    with pytest.raises(LlmCoreError):
        ask(engine, model=SECRET)
    assert value(metrics, "llm_requests_total", task="generate", outcome="ok") == 2
    assert value(metrics, "llm_requests_total", task="generate", outcome="input") == 1
    for histogram in ("llm_request_seconds", "llm_first_token_seconds", "llm_wait_seconds"):
        assert value(metrics, f"{histogram}_count", task="generate") == 2, histogram
    assert value(metrics, "llm_first_token_seconds_sum", task="generate") <= value(
        metrics, "llm_request_seconds_sum", task="generate"
    )
    assert value(metrics, "llm_tokens_total", model="echo") > 0
    assert value(metrics, "llm_requests_running") == value(metrics, "llm_requests_waiting") == 0


def test_the_queue_and_the_models_are_those_of_now(engine: Engine) -> None:
    metrics = Metrics(engine)
    assert value(metrics, "llm_model_bytes", model="echo") == 0
    request = find_task("generate").request_type.parse({"prompt": "say much", "max_new_tokens": 500})
    with closing(engine.run(find_task("generate"), request)) as events:
        for _ in range(5):
            next(events)
        assert value(metrics, "llm_requests_running") == 1
    assert value(metrics, "llm_model_bytes", model="echo") == engine.resident()["echo"].memory_bytes > 0
    assert value(metrics, "llm_memory_budget_bytes") == engine.settings.memory_budget_bytes


def test_nothing_a_visitor_says_is_a_label(engine: Engine) -> None:
    metrics = Metrics(engine)
    engine.lend("ann", echo_spec(f"own-{SECRET}"), ModelFiles(engine.settings.models_dir))
    ask(engine, client="ann", model=f"own-{SECRET}")
    with pytest.raises(LlmCoreError):
        ask(engine, client=SECRET, model=SECRET)
    for accept in ("text/plain", OPENMETRICS):
        assert SECRET not in metrics.exposition(accept)[0].decode()
    assert value(metrics, "llm_tokens_total", model=VISITORS_MODEL) > 0
    assert value(metrics, "llm_model_bytes", model=VISITORS_MODEL) > 0


def test_own_measurements_are_not_visitors(engine: Engine) -> None:
    metrics = Metrics(engine)
    ask(engine, client=CLIENT)
    assert value(metrics, "llm_requests_total", task="generate", outcome="ok") == 0


def test_both_formats_are_spoken(engine: Engine) -> None:
    metrics = Metrics(engine)
    ask(engine)
    plain, plain_type = metrics.exposition("")
    modern, modern_type = metrics.exposition(OPENMETRICS)
    assert plain_type.startswith("text/plain") and b"llm_requests_total" in plain
    assert modern_type.startswith("application/openmetrics-text")
    assert any(family.name == "llm_requests" for family in parse_openmetrics(modern.decode()))
