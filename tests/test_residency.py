"""Models in memory: shared loads, eviction by bytes, models in use stay."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from llm_core.catalog import ModelSpec
from llm_core.errors import BusyError, ModelUnavailableError, WeightsError
from llm_core.residency import Residency
from tests.support.echo import echo_spec


class FakeModel:
    """Counts its bytes and whether it was closed."""

    device = "cpu"

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.memory_bytes = spec.memory_bytes
        self.closed = False

    def close(self) -> None:
        self.closed = True


def spec(model_id: str, memory_bytes: int = 40) -> ModelSpec:
    return echo_spec(model_id, memory_bytes=memory_bytes)


def residency(**options: Any) -> Residency:
    return Residency(options.get("load", FakeModel), options.get("budget_bytes", 100))


def test_a_model_is_loaded_once_and_kept() -> None:
    models = residency()
    first = models.request(spec("a")).result(5)
    assert models.request(spec("a")).result(5) is first
    assert list(models.resident()) == ["a"]


def test_two_requests_share_one_load() -> None:
    gate, loads = threading.Event(), []

    def slow_load(wanted: ModelSpec) -> FakeModel:
        loads.append(wanted.id)
        gate.wait(5)
        return FakeModel(wanted)

    models = residency(load=slow_load)
    futures = [models.request(spec("a")) for _ in range(3)]
    gate.set()
    assert len({id(future.result(5)) for future in futures}) == 1
    assert loads == ["a"]


def test_a_model_that_is_asked_for_overtakes_those_in_advance() -> None:
    gate, loads = threading.Event(), []

    def slow_load(wanted: ModelSpec) -> FakeModel:
        loads.append(wanted.id)
        if wanted.id != "asked":
            gate.wait(5)
        return FakeModel(wanted)

    models = residency(load=slow_load, budget_bytes=1000)
    early = [models.request_in_advance(spec(name)) for name in ("a", "b", "c", "asked")]
    models.request(spec("asked")).result(5)
    assert "b" not in loads and not early[0].done()
    gate.set()
    assert [future.result(5).spec.id for future in early] == ["a", "b", "c", "asked"]  # type: ignore[attr-defined]
    assert loads.count("asked") == 1


def test_closing_ends_what_is_loaded_in_advance() -> None:
    begun, gate = threading.Event(), threading.Event()

    def slow_load(wanted: ModelSpec) -> FakeModel:
        begun.set()
        gate.wait(5)
        return FakeModel(wanted)

    models = residency(load=slow_load)
    loading, waiting = models.request_in_advance(spec("a")), models.request_in_advance(spec("b"))
    assert begun.wait(5)
    threading.Timer(0.1, gate.set).start()
    models.close()
    assert waiting.cancelled()
    assert loading.result(5).closed  # type: ignore[attr-defined]
    assert models.resident() == {}


def test_the_least_recently_used_model_leaves_when_room_is_needed() -> None:
    models = residency()
    oldest, newer = (models.request(spec(model_id)).result(5) for model_id in "ab")
    with models.use("a"):
        pass
    models.request(spec("c")).result(5)
    assert set(models.resident()) == {"a", "c"}
    assert (oldest.closed, newer.closed) == (False, True)


def test_a_model_in_use_never_leaves() -> None:
    models = residency()
    for model_id in "ab":
        models.request(spec(model_id)).result(5)
    with models.use("a"), models.use("b"):
        with pytest.raises(BusyError, match="other requests use the memory"):
            models.request(spec("c")).result(5)
        models.free_idle()
        assert set(models.resident()) == {"a", "b"}
    models.request(spec("c")).result(5)
    assert "c" in models.resident()


def test_a_model_larger_than_the_budget_says_so() -> None:
    with pytest.raises(ModelUnavailableError, match="needs 3 MB of memory, and models may use 1 MB"):
        residency(budget_bytes=1 << 20).request(spec("big", 3 << 20)).result(5)


def test_a_failed_load_is_reported_and_can_be_tried_again() -> None:
    attempts = []

    def flaky(wanted: ModelSpec) -> FakeModel:
        attempts.append(wanted.id)
        if len(attempts) == 1:
            raise WeightsError("cut short")
        return FakeModel(wanted)

    models = residency(load=flaky)
    with pytest.raises(WeightsError, match="cut short"):
        models.request(spec("a")).result(5)
    assert models.request(spec("a")).result(5).spec.id == "a"


def test_a_model_that_left_is_reported_as_gone() -> None:
    models = residency()
    models.request(spec("a")).result(5)
    models.free_idle()
    with models.use("a") as model:
        assert model is None


def test_closing_closes_all_models() -> None:
    models = residency()
    loaded = models.request(spec("a")).result(5)
    models.close()
    assert loaded.closed
    assert models.resident() == {}
