"""Each request is told of once, whatever becomes of it, and without its text."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.errors import LlmCoreError
from llm_core.observation import Served
from llm_core.tasks import find_task
from llm_core.types import CancelToken, Completed, Delta
from tests.support.echo import echo_encoder, echo_engine, echo_spec

TEXT = "a text that nobody else may read"


def observed(engine: Engine) -> list[Served]:
    seen: list[Served] = []
    engine.observers.append(seen.append)
    return seen


def asked(prompt: str = TEXT, **fields: Any) -> Any:
    return find_task("generate").request_type.parse({"prompt": prompt, "max_new_tokens": 8, **fields})


def test_an_answer_is_told_with_its_figures_and_not_its_text() -> None:
    with closing(echo_engine(backend=EchoBackend(seconds_per_token=0.01))) as engine:
        seen = observed(engine)
        stats = engine.answer(find_task("generate"), asked(), client="ann").stats
    (served,) = seen
    assert (served.task, served.model, served.client, served.outcome) == ("generate", "echo", "ann", "ok")
    assert served.tokens == stats.tokens > 0
    assert served.waited_seconds == stats.waited_ms / 1000
    assert served.first_seconds is not None and 0 < served.first_seconds < served.seconds
    assert TEXT not in repr(served) and not set(TEXT.split()) & set(repr(served).split())


def test_requests_have_ids_of_their_own() -> None:
    with closing(echo_engine()) as engine:
        seen = observed(engine)
        for _ in range(3):
            engine.answer(find_task("generate"), asked())
    assert len({served.request_id for served in seen}) == 3


@pytest.mark.parametrize("how", ["closed", "withdrawn"])
def test_a_client_that_leaves_is_told(how: str) -> None:
    with closing(echo_engine(backend=EchoBackend(seconds_per_token=0.01))) as engine:
        seen, cancel = observed(engine), CancelToken()
        events = engine.run(find_task("generate"), asked(max_new_tokens=500), cancel=cancel)
        next(event for event in events if isinstance(event, Delta))
        if how == "closed":
            events.close()
        else:
            cancel.cancel()
            with pytest.raises(LlmCoreError):
                list(events)
        assert engine.load == (0, 0)
    assert [served.outcome for served in seen] == ["cancelled"]
    assert seen[0].tokens > 0 and seen[0].waited_seconds is None and seen[0].model == "echo"


def test_a_client_that_leaves_with_the_answer_has_it() -> None:
    with closing(echo_engine()) as engine:
        seen = observed(engine)
        events = engine.run(find_task("generate"), asked())
        next(event for event in events if isinstance(event, Completed))
        events.close()
    assert [served.outcome for served in seen] == ["ok"]


@pytest.mark.parametrize(
    ("model", "settings", "outcome"),
    [("nonsense", {}, "input"), ("auto", {"request_seconds": 0.05}, "deadline"), ("embedder", {}, "input")],
)
def test_failures_are_told_by_kind(model: str, settings: dict[str, float], outcome: str) -> None:
    backend = EchoBackend(seconds_per_token=0.03)
    with closing(echo_engine(echo_spec(), echo_encoder("embedder"), backend=backend, **settings)) as engine:
        seen = observed(engine)
        with pytest.raises(LlmCoreError):
            engine.answer(find_task("generate"), asked(), model_id=model)
    assert [served.outcome for served in seen] == [outcome]


def test_a_batch_bears_the_name_of_its_task() -> None:
    labels = ("positive", "neutral", "negative")
    spec = echo_encoder("feelings", head="sequence_classification", tasks=("sentiment",), labels=labels)
    task = find_task("sentiment")
    with closing(echo_engine(spec)) as engine:
        seen = observed(engine)
        engine.run_many(task, [task.request_type.parse({"text": text}) for text in ("good", "bad")])
    assert {served.task for served in seen} == {"sentiment"}


def test_an_observer_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fail(served: Served) -> None:
        raise RuntimeError("no disk")

    with closing(echo_engine()) as engine:
        engine.observers.append(fail)
        seen = observed(engine)
        assert engine.answer(find_task("generate"), asked()).result is not None
    assert len(seen) == 1 and "an observer failed" in caplog.text
