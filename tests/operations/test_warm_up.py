"""Models loaded in advance: those that are here, and others only when they may be fetched."""

from __future__ import annotations

from concurrent.futures import wait
from contextlib import closing

import pytest

from llm_core.engine import Engine
from llm_core.operations.warm_up import Arrival, WarmUp
from llm_core.weights import Availability
from tests.support.echo import echo_engine, echo_spec


def engine_of(missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = echo_engine(echo_spec("here"), echo_spec("elsewhere"), echo_spec("from-hub", tier="hub"))
    monkeypatch.setattr(
        engine, "availability", lambda spec: Availability(spec.id != "nowhere", present=spec.id not in missing)
    )
    return engine


@pytest.mark.parametrize(("fetch", "loaded"), [(False, {"here"}), (True, {"here", "elsewhere"})])
def test_only_what_is_wanted_is_loaded(fetch: bool, loaded: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(engine_of(("elsewhere",), monkeypatch)) as engine:
        warm_up = WarmUp(engine, fetch)
        assert warm_up.arrival is None and not warm_up.complete
        wait(warm_up.start())
        assert set(engine.resident()) == loaded
        assert warm_up.arrival == Arrival(len(loaded), len(loaded)) and warm_up.complete


def test_a_model_that_cannot_be_had_ends_the_waiting_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(engine_of((), monkeypatch)) as engine:
        monkeypatch.setattr(engine, "files", lambda spec: 1 / 0)
        warm_up = WarmUp(engine, fetch=False)
        wait(warm_up.start())
        assert warm_up.complete and engine.resident() == {}
    assert "here is not loaded in advance: ZeroDivisionError" in caplog.text
