"""Compare: the columns run through the shared handler, one's error spoils no other, and Stop ends all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from demos._compare import ComparePanel, parse_settings
from demos._demo import DemoContext
from demos._handler import make_handler, make_stopper
from demos._i18n import say
from demos._outcomes import Words
from demos._status import DONE, told
from demos._workbench import Workbench
from demos.classify import asked_of
from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.errors import InputError
from llm_core.tasks import find_task
from tests.demos.site import inside_a_loop
from tests.support.echo import echo_encoder, echo_engine, echo_spec

TOPICS, CHINESE_TOPICS = ("sports", "business"), ("game", "stocks")

CLASSIFIER: dict[str, Any] = {"head": "sequence_classification", "tasks": ("classify",)}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = echo_engine(
        echo_spec("writer"),
        echo_spec("other", tier="hub", backend="transformers", hub={"repo": "org/name", "revision": "main"}),
        echo_encoder("topics", **CLASSIFIER, languages=("en",), labels=TOPICS, label_set="ag_news"),
        echo_encoder("chinese", **CLASSIFIER, languages=("zh",), labels=CHINESE_TOPICS, label_set="thucnews"),
        echo_encoder("embedder"),
        backend=EchoBackend(seconds_per_token=0.01),
    )
    yield engine
    engine.close()


class Panel:
    """A panel for text generation, and what its handler yields."""

    def __init__(self, engine: Engine) -> None:
        self.ctx = DemoContext(engine)
        inside_a_loop(self._build)

    def _build(self) -> None:
        with gr.Blocks(analytics_enabled=False):
            bench = Workbench(self.ctx, "generate", find_task("generate"))
            with bench.frame():
                with bench.fields():
                    prompt, tokens = gr.Textbox(), gr.Number(20)
                with bench.results():
                    text = gr.Textbox()
                bench.examples([["a", 1]], [prompt, tokens], ["a"])
                self.panel = ComparePanel(bench, ["temperature=0"])

            def to_request(prompt: str, tokens: int) -> dict[str, Any]:
                return {"prompt": prompt, "max_new_tokens": tokens}

            bench.connect(inputs=[prompt, tokens], outputs=[text], to_request=to_request, render=lambda *_: {})
            self.panel.connect([prompt, tokens], to_request, lambda request, result: Words(result.text))
        self.wiring = self.panel.wiring

    async def run(self, *menus: str, prompt: str = "one two", tokens: int = 20) -> list[Any]:
        handler = make_handler(self.ctx, self.wiring, ())
        visitor: Any = SimpleNamespace(session_hash="ada")
        return [update async for update in handler(visitor, "auto", *menus, prompt, tokens)]

    def shown(self, updates: list[Any]) -> list[Any]:
        return [json.loads(update[self.panel.view]) for update in updates if self.panel.view in update]


@pytest.fixture
def panel(engine: Engine) -> Panel:
    return Panel(engine)


def test_columns_stream_and_end_with_times_and_differences(panel: Panel, engine: Engine) -> None:
    updates = asyncio.run(panel.run("auto", "", "writer", "temperature=0", "", "", tokens=100))
    shown = panel.shown(updates)
    first_texts = [
        "".join(p for p, _ in s["columns"][0]["outcome"]["pieces"]) for s in shown if s["columns"][0]["outcome"]
    ]
    assert len(set(first_texts)) > 3, "the text grows"
    last = shown[-1]
    assert last["done"] and [column["state"] for column in last["columns"]] == ["done", "done"]
    assert [column["settings"] for column in last["columns"]] == ["", "temperature=0"]
    assert all(
        column["tokens"] == 100 and column["total"] > 0 and column["title"] == "writer" for column in last["columns"]
    )
    assert last["columns"][1]["outcome"]["share"] == 1.0, "an echo says the same"
    assert DONE in updates[-1][panel.wiring.status]
    assert engine.load == (0, 0) and panel.wiring.runs == {}


def test_an_error_in_one_column_spoils_no_other(panel: Panel) -> None:
    updates = asyncio.run(panel.run("auto", "temperature=9", "other", "", "writer", ""))
    first, second, third = panel.shown(updates)[-1]["columns"]
    assert first["state"] == second["state"] == "failed" and third["state"] == "done"
    assert first["error"][0] == "error.input" and "temperature ≤ 2" in first["error"][1]
    assert second["error"][0] == "error.unavailable"
    assert updates[-1].get(panel.wiring.message, "") == ""


def test_what_is_wrong_with_the_fields_is_said_once(panel: Panel) -> None:
    updates = asyncio.run(panel.run("auto", "", "writer", "temperature=0", "", "", prompt=" "))
    assert updates[-1][panel.wiring.message] == say("error.empty_prompt")


def test_stop_ends_every_column(panel: Panel, engine: Engine) -> None:
    async def scene() -> list[Any]:
        running = asyncio.create_task(panel.run("auto", "", "writer", "temperature=0", "", "", tokens=1000))
        while engine.load[0] == 0:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        await make_stopper(panel.wiring)(SimpleNamespace(session_hash="ada"))  # type: ignore[arg-type]
        return await asyncio.wait_for(running, 2)

    updates = asyncio.run(scene())
    assert updates[-1][panel.wiring.status] == told("status.stopped")
    columns = panel.shown(updates)[-1]["columns"]
    assert [column["error"][0] for column in columns] == ["status.stopped"] * 2
    written = [column["outcome"]["pieces"][0][0] for column in columns if column["outcome"]]
    assert written and all(text.startswith("one") for text in written), "what was written stays"
    assert engine.load == (0, 0)


def test_a_visitor_who_leaves_ends_every_column(panel: Panel, engine: Engine) -> None:
    async def scene() -> None:
        updates = make_handler(panel.ctx, panel.wiring, ())(
            SimpleNamespace(session_hash="ada"), "auto", "auto", "", "writer", "", "", "", "one", 1000
        )
        async for _ in updates:
            if engine.load[0]:
                break
        await updates.aclose()
        for _ in range(100):
            if engine.load == (0, 0):
                return
            await asyncio.sleep(0.02)

    asyncio.run(scene())
    assert engine.load == (0, 0) and panel.wiring.runs == {}


def test_settings_are_read_as_fields() -> None:
    assert parse_settings("") == {}
    assert parse_settings("temperature=0, top_p = 0.5; template=story\nalignment=true") == {
        "temperature": 0, "top_p": 0.5, "template": "story", "alignment": True,
    }  # fmt: skip
    with pytest.raises(InputError, match="settings: must be written as name=value"):
        parse_settings("hotter")


def test_a_model_without_labels_gets_those_of_the_set(engine: Engine) -> None:
    ctx, fields = DemoContext(engine), {"text": "a", "label_set": "ag_news"}
    assert asked_of(ctx, None, fields)[1] == asked_of(ctx, engine.catalog["topics"], fields)[1] == fields
    assert asked_of(ctx, engine.catalog["embedder"], fields)[1] == {"text": "a", "labels": list(TOPICS)}
    assert asked_of(ctx, engine.catalog["embedder"], {**fields, "text": "他们赢了"})[1]["labels"] == list(
        CHINESE_TOPICS
    )
    own = {"text": "a", "labels": ["x", "y"], "label_set": "ag_news"}
    assert asked_of(ctx, None, own)[1] == fields, "settings that name a set come before the labels"
