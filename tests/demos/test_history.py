"""What of a finished run goes to the visitor's browser, and that nothing of it stays here."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from demos._demo import DemoContext
from demos._handler import Wiring, make_handler
from demos._history import SHOWN_CHARS, describe_run, history_view, shortened, summary
from demos._status import status_view
from demos._usage import Place, link
from llm_core.tasks import find_task
from llm_core.types import RunStats
from tests.demos.site import inside_a_loop
from tests.support.echo import echo_engine

STATS = RunStats("echo", "cpu", 1.0, 1234.0)
PLACE = Place("generate", ("generate", "write"))


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"label": "Sports", "scores": {"Sports": 0.914, "World": 0.086}}, "Sports 91%"),
        ({"label": "Sports", "score": 0.5, "outcomes": []}, "Sports 50%"),
        ({"entities": [{"text": "Ada", "label": "PER"}, {"text": "York", "label": "LOC"}]}, "Ada (PER), York (LOC)"),
        ({"answer": "", "start": 0}, ""),
        ({"text": "写"}, "写"),
        ({"explained": {"label": "ORG", "text": "Statkraft", "score": 0.28}, "words": []}, "Statkraft 28%"),
        ({"explained": {"label": "Sports", "text": "", "score": 0.9}, "words": []}, "Sports 90%"),
        ({"hidden": [{"position": 3, "guesses": [["▁sailed", 0.4], ["▁went", 0.2]]}], "next": []}, "sailed 40%"),
        ({"hidden": [], "next": [[" a", 0.5], [" the", 0.2], [" an", 0.1], [".", 0.1]]}, "a 50%, the 20%, an 10%"),
    ],
)
def test_a_record_in_a_line(record: dict[str, Any], line: str) -> None:
    assert summary(record) == line


def test_an_entry_has_what_was_asked_and_answered_and_the_link_to_it() -> None:
    fields = {"prompt": "a\nb <i>", "temperature": 0.1, "system": ""}
    written = describe_run(
        PLACE, find_task("generate"), fields, link(PLACE, ["auto", "a"]), "Echo", STATS, {"text": "c"}
    )
    assert "<" not in written
    entry = json.loads(written)
    assert (entry["asked"], entry["answer"], entry["model"], entry["seconds"]) == ("a b <i>", "c", "Echo", 1.234)
    assert entry["link"].startswith("?state=") and entry["tabs"] == ["generate", "write"]
    assert len(shortened("x" * 1000)) == SHOWN_CHARS


@pytest.mark.parametrize("place", [PLACE, None])
def test_only_a_finished_run_of_a_frame_with_links_is_remembered(place: Place | None) -> None:
    engine = echo_engine()

    def build() -> tuple[DemoContext, Wiring]:
        with gr.Blocks(analytics_enabled=False):
            history = history_view()
            history.render()
            ctx, status = DemoContext(engine, history=history), status_view("status")
            text = gr.Textbox()
            wiring = Wiring(
                task=find_task("generate"),
                to_request=lambda prompt: {"prompt": prompt, "max_new_tokens": 3},
                render=lambda view, *values: {text: view.text},
                message=gr.Markdown(),
                status=status,
                stop=gr.Button(),
                usage=gr.HTML(),
                place=place,
            )
            return ctx, wiring

    ctx, wiring = inside_a_loop(build)

    async def run(prompt: str) -> list[Any]:
        handler = make_handler(ctx, wiring, ())
        visitor: Any = SimpleNamespace(session_hash="ada")
        return [update[ctx.history] async for update in handler(visitor, "auto", prompt) if ctx.history in update]

    found = asyncio.run(run("one two three"))
    assert [json.loads(each)["answer"] for each in found] == (["one two three"] if place else [])
    assert asyncio.run(run(" ")) == []
    engine.close()
