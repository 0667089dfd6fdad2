"""Sentiment: how a text feels as a whole, and sentence by sentence."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import gradio as gr

from demos._api import Record, serve
from demos._batch import BatchPanel
from demos._compare import ComparePanel, Plan
from demos._demo import Demo, DemoContext
from demos._dial import describe_dial, dial_view
from demos._explain import ExplainPanel
from demos._handler import Updates
from demos._labels import describe_labels, describe_marked, labels_view, marked_view
from demos._marks import marked
from demos._stream import View
from demos._stress import StressPanel
from demos._workbench import Workbench
from llm_core.catalog import ModelSpec
from llm_core.tasks.classify import TASK as CLASSIFY
from llm_core.tasks.sentiment import TASK, SentimentResult

LABELS = ["positive", "neutral", "negative"]
EXAMPLES = {
    "Hotel, mixed": "The room was spotless and the view breathtaking. Breakfast, sadly, was cold. We left at noon.",
    "Film": "I kept waiting for this film to start, and then it was over. What a waste of two hours.",
    "Thank-you note": "You fixed in ten minutes what had bothered us for weeks. Thank you so much!",
    "Plain fact": "The library opens at nine and closes at six.",
    "微博": "这家餐厅的服务太好了，菜也很好吃，下次还会再来！",
}


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    bench = Workbench(ctx, DEMO.slug, TASK)
    with bench.frame():
        with bench.fields():
            text = gr.Textbox(
                lines=6, max_lines=14, label=ctx.t("common.text"), placeholder=ctx.t("common.text_placeholder")
            )
        with bench.results():
            whole = labels_view("sentiment-whole", "steady")
            sentences = marked_view("sentiment-sentences")
        with bench.details():
            dial = dial_view("sentiment-dial")
            explain = ExplainPanel(bench)
            stress = StressPanel(bench)
        bench.examples([[text] for text in EXAMPLES.values()], [text], list(EXAMPLES))
        embedding = [spec for spec in ctx.catalog.for_task(CLASSIFY.name) if spec.head == "embedding"]
        compare = ComparePanel(bench, also=lambda: embedding, adapt=asked_of)

    def render(view: View, text: str) -> Updates:
        sure = describe_dial(ctx, view.stats.model_id, view.result.scores) if view.stats else ""
        emptied: Updates = {explain.view: "", stress.view: ""}
        return {
            whole: describe_labels(view.result.scores),
            sentences: describe_marked(mark_sentences(text, view.result)),
            dial: sure,
            **emptied,
        }

    def to_request(text: str) -> dict[str, str]:
        return {"text": text}

    outputs = [whole, sentences, dial, explain.view, stress.view]
    bench.connect(inputs=[text], outputs=outputs, to_request=to_request, render=render)
    explain.connect([text], to_request)
    stress.connect([text], to_request)
    compare.connect([text], to_request)
    BatchPanel(bench)


def asked_of(spec: ModelSpec | None, fields: Mapping[str, Any]) -> Plan:
    """How a column of a comparison asks: a model without labels of its own compares the text with their names."""
    if spec is None or spec.head != "embedding":
        return TASK, fields
    return CLASSIFY, {**fields, "labels": LABELS}


def mark_sentences(text: str, result: SentimentResult) -> list[tuple[str, str | None]]:
    """The whole text, each sentence with its label."""
    return marked(text, ((sentence.start, sentence.end, sentence.label) for sentence in result.sentences))


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def sentiment(
        text: str, model: str = "auto", request: gr.Request | None = None
    ) -> AsyncGenerator[Record, None]:
        """Tell whether a text is positive, neutral or negative, with a probability for each.

        Args:
            text: What to judge, such as a review or a message; at most 20,000 characters.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with label, scores (probability by label), model and seconds.
        """
        async for record in serve(ctx, TASK, {"text": text}, model, request):
            yield record

    return sentiment


DEMO = Demo(slug="sentiment", order=20, icon="☺", task=TASK, build=build, endpoint=endpoint)
