"""Figures of a running engine in Prometheus' format: requests, queue, latencies, tokens, models in memory.

Labels are names of tasks, outcomes and catalogue entries: a bounded number, and nothing that a visitor wrote.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from llm_core.engine import Engine
from llm_core.observation import Served
from llm_core.speed import CLIENT
from llm_core.tasks import ABOUT_ANSWERS, TASK_NAMES

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_TASKS = frozenset(TASK_NAMES + ABOUT_ANSWERS)
VISITORS_MODEL = "visitors"
"""Label of the models that visitors trained, all together."""


class Metrics:
    """Counts what an engine serves; create it once an engine.

    Args:
        engine: Observed from now on.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("llm_requests", "Requests by outcome.", ["task", "outcome"], registry=registry)
        self._seconds = _histogram("llm_request_seconds", "From question to end of answer.", ["task"], registry)
        self._first = _histogram(
            "llm_first_token_seconds", "From question to first piece of the answer.", ["task"], registry
        )
        self._waited = _histogram("llm_wait_seconds", "In the queue and for weights.", ["task"], registry)
        self._tokens = Counter("llm_tokens", "Generated tokens.", ["model"], registry=registry)
        registry.register(_EngineCollector(engine))
        ProcessCollector(registry=registry)
        engine.observers.append(self._observe)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All figures, and their media type.

        Args:
            accept: The ``Accept`` header of who asks.
        """
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def _observe(self, served: Served) -> None:
        if served.client == CLIENT:
            return
        task = served.task if served.task in _TASKS else "other"
        self._requests.labels(task, served.outcome).inc()
        if served.outcome == "ok":
            self._seconds.labels(task).observe(served.seconds)
        if served.first_seconds is not None:
            self._first.labels(task).observe(served.first_seconds)
        if served.waited_seconds is not None:
            self._waited.labels(task).observe(served.waited_seconds)
        if served.tokens:
            self._tokens.labels(_label(self._engine, served.model)).inc(served.tokens)


class _EngineCollector:
    """What is true at the moment of asking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """The families, as the registry wants them."""
        running, waiting = self._engine.load
        yield GaugeMetricFamily("llm_requests_running", "Requests on the device.", running)
        yield GaugeMetricFamily("llm_requests_waiting", "Requests in the queue.", waiting)
        budget = self._engine.settings.memory_budget_bytes
        yield GaugeMetricFamily("llm_memory_budget_bytes", "What loaded models may hold together.", budget)
        held = GaugeMetricFamily("llm_model_bytes", "Memory of each loaded model.", labels=["model"])
        sizes: dict[str, int] = {}
        for model_id, model in self._engine.resident().items():
            label = _label(self._engine, model_id)
            sizes[label] = sizes.get(label, 0) + model.memory_bytes
        for label, size in sizes.items():
            held.add_metric([label], size)
        yield held


def _histogram(name: str, words: str, labels: list[str], registry: CollectorRegistry) -> Histogram:
    return Histogram(name, words, labels, registry=registry, buckets=_SECONDS)


def _label(engine: Engine, model_id: str) -> str:
    return model_id if model_id in engine.catalog else VISITORS_MODEL
