"""The engine with a remote model: which tier answers, what falls back, what runs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest

from llm_core.engine import Engine
from llm_core.errors import BackendError, InputError, ModelUnavailableError, NoAnswerError
from llm_core.tasks import find_task
from llm_core.tasks.instructed import InstructedTask
from llm_core.types import Completed, Delta
from tests.support.echo import echo_spec
from tests.support.remote_servers import FaultyServer, faulty, remote_engine, remote_model

GENERATE = find_task("generate")
NEAR = echo_spec("near", prompt_template="plain")


@contextmanager
def engine_with(*servers: FaultyServer, **fields: Any) -> Iterator[Engine]:
    urls = [server.url for server in servers]
    with closing(remote_engine(remote_model(*urls, **fields), NEAR)) as engine:
        yield engine


def answer(engine: Engine, model_id: str = "auto", **fields: Any) -> Completed:
    request = GENERATE.request_type.parse({"prompt": "Tell a story.", "max_new_tokens": 8, **fields})
    return engine.answer(GENERATE, request, model_id=model_id)


def test_auto_takes_the_remote_model_and_says_where_it_ran() -> None:
    with faulty(usage={"completion_tokens": 6}) as server, engine_with(server) as engine:
        completed = answer(engine)
        assert completed.result.text == "Once upon a time."
        stats = completed.stats
        assert (stats.model_id, stats.device, stats.tokens, stats.instead_of) == ("far", "remote", 6, "")


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"silent": True}, {"garbage": b"<html>"}])
def test_auto_falls_back_and_says_so(fault: dict[str, Any]) -> None:
    with faulty(**fault) as server, engine_with(server, silence_seconds=0.3) as engine:
        stats = answer(engine, template="story").stats
        assert (stats.model_id, stats.instead_of) == ("near", "far")
        with pytest.raises(NoAnswerError):
            answer(engine, "far")


def test_a_model_that_is_known_to_be_down_is_not_tried() -> None:
    with faulty(healthy=False) as server, engine_with(server) as engine:
        stats = answer(engine).stats
        assert (stats.model_id, stats.instead_of, server.bodies) == ("near", "", [])
        with pytest.raises(ModelUnavailableError, match="far is not available: its server does not answer"):
            answer(engine, "far")


def test_no_fallback_in_the_middle_of_an_answer() -> None:
    with faulty(cut_after=2) as server, engine_with(server) as engine:
        heard = []
        request = GENERATE.request_type.parse({"prompt": "Tell a story.", "max_new_tokens": 8})
        with pytest.raises(BackendError, match="broke off here"):
            for event in engine.run(GENERATE, request):
                heard += [event.text] if isinstance(event, Delta) else []
        assert heard == ["Once ", "upon "]


def test_remote_requests_run_side_by_side_and_beside_the_device() -> None:
    with faulty(seconds_per_word=0.1) as server, engine_with(server) as engine, ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(answer, engine, "far") for _ in range(7)] + [pool.submit(answer, engine, "near")]
        assert [future.result().stats.model_id for future in futures] == ["far"] * 7 + ["near"]
        assert server.most_at_once > 2 and engine.load == (0, 0)


def test_a_beginning_needs_a_server_that_goes_on_from_it() -> None:
    with faulty() as server:
        with engine_with(server) as engine:
            assert answer(engine, template="explain_code").result.text == "Once upon a time."
            with pytest.raises(InputError, match="beginning: must be empty"):
                answer(engine, beginning="Well,")
        with engine_with(server, server="llama.cpp") as engine:
            assert answer(engine, beginning="Well, ").result.text == "Well, Once upon a time."


def test_other_tasks_are_told_in_words() -> None:
    task = InstructedTask(find_task("sentiment"))
    with faulty(words=["It is ", "positive."]) as server, engine_with(server) as engine:
        request = task.request_type.parse({"text": "What a day!"})
        assert engine.answer(task, request, model_id="far").result.label == "positive"
    assert "What a day!" in server.bodies[0]["messages"][-1]["content"]
