"""The wrapper of every run: what Stop leaves, and that runs of other visitors go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from demos._demo import DemoContext
from demos._handler import Wiring, make_clearer, make_handler, make_stopper
from demos._status import DONE, status_view, told
from demos._usage import Place
from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.tasks import find_task
from tests.demos.site import inside_a_loop
from tests.support.echo import echo_engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = echo_engine(backend=EchoBackend(seconds_per_token=0.01))
    yield engine
    engine.close()


@pytest.fixture
def wiring() -> Wiring:
    def build() -> Wiring:
        with gr.Blocks(analytics_enabled=False):
            text, message, stop, usage = gr.Textbox(), gr.Markdown(), gr.Button(), gr.HTML()
            status = status_view("status")
            return Wiring(
                task=find_task("generate"),
                to_request=lambda prompt, tokens: {"prompt": prompt, "max_new_tokens": tokens},
                render=lambda view, *values: {text: view.text},
                message=message,
                status=status,
                stop=stop,
                usage=usage,
                place=Place("generate", ("generate",)),
            )

    return inside_a_loop(build)


def visitor(session: str) -> Any:
    return SimpleNamespace(session_hash=session)


async def updates_of(handler: Any, session: str, tokens: int) -> list[Any]:
    return [update async for update in handler(visitor(session), "auto", "one two", tokens)]


def test_stop_is_the_run_s_own_last_word_and_others_go_on(engine: Engine, wiring: Wiring) -> None:
    async def scene() -> tuple[list[Any], list[Any]]:
        handler, stop = make_handler(DemoContext(engine), wiring, ()), make_stopper(wiring)
        stopped = asyncio.create_task(updates_of(handler, "ada", 1000))
        other = asyncio.create_task(updates_of(handler, "bob", 5))
        while "ada" not in wiring.runs or "bob" not in wiring.runs or engine.load[0] == 0:
            await asyncio.sleep(0.01)
        await stop(visitor("ada"))
        assert "ada" not in wiring.runs
        return await asyncio.wait_for(stopped, 1), await asyncio.wait_for(other, 5)

    first, second = asyncio.run(scene())
    assert first[-1][wiring.status] == told("status.stopped")
    assert second[-1][wiring.status] != told("status.stopped")
    assert (engine.load, wiring.runs) == ((0, 0), {})


def test_a_new_run_ends_the_session_s_earlier_one_first(engine: Engine, wiring: Wiring) -> None:
    async def scene() -> tuple[list[Any], list[Any], list[Any]]:
        handler = make_handler(DemoContext(engine), wiring, ())
        earlier = asyncio.create_task(updates_of(handler, "ada", 1000))
        other = asyncio.create_task(updates_of(handler, "bob", 100))
        await asyncio.sleep(0.2)
        later = await updates_of(handler, "ada", 3)
        assert earlier.done(), "the earlier run has said its last word"
        return await earlier, later, await other

    earlier, later, other = asyncio.run(scene())
    assert earlier[-1][wiring.status] == told("status.stopped")
    assert DONE in later[-1][wiring.status] and len(later) > 1
    assert DONE in other[-1][wiring.status], "other visitors go on"


def test_who_ends_a_run_says_what_it_shows_last(engine: Engine, wiring: Wiring) -> None:
    """Gradio repeats a run's last values after its end, when Clear may have been shown already."""

    def left() -> Any:
        return {wiring.status: told("status.ready"), wiring.usage: ""}

    async def scene() -> list[Any]:
        handler = make_handler(DemoContext(engine), wiring, [wiring.status])
        cleared = asyncio.create_task(updates_of(handler, "ada", 1000))
        while "ada" not in wiring.runs or engine.load[0] == 0:
            await asyncio.sleep(0.01)
        await make_clearer(wiring, left)(visitor("ada"))
        return await asyncio.wait_for(cleared, 1)

    updates = asyncio.run(scene())
    assert updates[-1] == {wiring.status: told("status.ready")}, "nothing that the event may not update"
    assert wiring.runs == {}


def test_stop_without_a_run_does_nothing(wiring: Wiring) -> None:
    asyncio.run(make_stopper(wiring)(visitor("ada")))
    assert wiring.runs == {}


def test_a_refused_request_leaves_no_run_behind(engine: Engine, wiring: Wiring) -> None:
    handler = make_handler(DemoContext(engine), wiring, ())
    updates = asyncio.run(updates_of(handler, "ada", 0))
    assert updates[-1][wiring.message]
    assert wiring.runs == {}
