"""What the server makes of votes: hostile values from the browser, answers that are gone, and what a row holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from demos._demo import DemoContext
from demos._feedback import FeedbackPanel, Pending
from demos._stream import View
from demos._workbench import Workbench
from llm_core.engine import Engine
from llm_core.feedback import read_feedback
from llm_core.tasks import find_task
from llm_core.tasks.sentiment import SentimentResult
from llm_core.types import RunStats
from tests.demos.site import inside_a_loop
from tests.support.echo import echo_engine

SENTIMENT = find_task("sentiment")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with closing(echo_engine(feedback=str(tmp_path / "votes.jsonl"))) as engine:
        yield engine


@pytest.fixture
def panel(engine: Engine) -> FeedbackPanel:
    def build() -> FeedbackPanel:
        with gr.Blocks(analytics_enabled=False):
            return FeedbackPanel(DemoContext(engine), "sentiment")

    return inside_a_loop(build)


def pending(panel: FeedbackPanel, model_id: str = "echo") -> Pending:
    result = SentimentResult(label="positive", scores={"positive": 1.0}, sentences=(), windows=1)
    view = View(result=result, stats=RunStats(model_id, "cpu", 1.0, 1.0))
    asked = panel.asked(SENTIMENT, {"text": "</script> Fine."}, view)
    found = asked[panel.pending]
    assert isinstance(found, Pending)
    assert json.loads(asked[panel.view])["kept"] == "" and "<" not in asked[panel.view]
    return found


def sent(about: Pending, **fields: Any) -> str:
    return json.dumps({"id": about.judged.id, "thumbs": "up", "comment": "", "language": "en", **fields})


def test_a_vote_is_about_what_the_server_answered_whatever_the_browser_says(
    panel: FeedbackPanel, tmp_path: Path
) -> None:
    shown = pending(panel)
    forged = sent(shown, answer={"label": "negative"}, model="another", request={"text": "of someone else"})
    view, after = panel._take(forged, shown)
    assert json.loads(view)["kept"] == "up" and after.vote.thumbs == "up"
    [row] = read_feedback(tmp_path / "votes.jsonl")
    assert (row.answer["label"], row.model, row.request) == ("positive", "echo", {"text": "</script> Fine."})


@pytest.mark.parametrize(
    "fields",
    [{"thumbs": "sideways"}, {"language": "xx"}, {"comment": "x" * 1001}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_breaks_a_rule_is_not_kept_and_told(panel: FeedbackPanel, tmp_path: Path, fields: dict[str, str]) -> None:
    shown = pending(panel)
    view, after = panel._take(sent(shown, **fields), shown)
    assert json.loads(view)["error"] == "long" and after is shown
    assert not (tmp_path / "votes.jsonl").exists()


@pytest.mark.parametrize("value", ["", "null", "[]", "{", '{"id": 3, "thumbs": "up", "language": "en"}'])
def test_what_is_no_vote_changes_nothing(panel: FeedbackPanel, tmp_path: Path, value: str) -> None:
    assert panel._take(value, pending(panel)) == (gr.skip(), gr.skip())
    assert not (tmp_path / "votes.jsonl").exists()


def test_votes_on_answers_that_are_gone_or_replaced_are_not_kept(panel: FeedbackPanel, tmp_path: Path) -> None:
    old, new = pending(panel), pending(panel)
    assert json.loads(panel._take(sent(old), None)[0])["error"] == "gone"
    assert panel._take(sent(old), new) == (gr.skip(), gr.skip())
    assert not (tmp_path / "votes.jsonl").exists()


def test_a_visitors_own_model_goes_by_no_name_of_the_visit(panel: FeedbackPanel) -> None:
    assert pending(panel, "own-0123456789").judged.model == "own"


def test_a_frame_has_thumbs_only_where_the_owner_wants_them(engine: Engine) -> None:
    def panels_of(ctx: DemoContext, **options: Any) -> object:
        with gr.Blocks(analytics_enabled=False):
            bench = Workbench(ctx, "sentiment", SENTIMENT, **options)
            with bench.frame(), bench.results():
                pass
        return bench.feedback

    assert inside_a_loop(lambda: panels_of(DemoContext(engine))) is not None
    assert inside_a_loop(lambda: panels_of(DemoContext(engine), judged=False)) is None
    with closing(echo_engine()) as quiet:
        assert inside_a_loop(lambda: panels_of(DemoContext(quiet))) is None
