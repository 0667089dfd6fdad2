"""Named entities: the persons, organisations and places that a text names, marked in it and counted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from demos._api import Record, serve
from demos._batch import BatchPanel
from demos._compare import ComparePanel
from demos._demo import Demo, DemoContext
from demos._dial import describe_entity_dial, dial_view
from demos._explain import ExplainPanel
from demos._handler import Updates
from demos._marks import marked
from demos._mentions import describe_mentions, mentions_view
from demos._stream import View
from demos._stress import StressPanel
from demos._workbench import Workbench
from llm_core.tasks.entities import KINDS, TASK, EntitiesResult

COLOURS = dict(zip(KINDS, ("#2563eb", "#d97706", "#059669"), strict=True))
EXAMPLES = {
    "Press release": (
        "Siemens will open a second research centre in Toronto next spring. Mayor Olivia Chow welcomed the decision, "
        "which Roland Busch, head of Siemens, announced in Munich on Tuesday. The University of Toronto is to be a "
        "partner, and so is McGill University in Montreal."
    ),
    "Travel diary": (
        "From Lisbon we took the train to Porto, where Inês was waiting. Her brother Miguel works for TAP there. "
        "Porto in the rain is lovelier than Lisbon in the sun, says Inês."
    ),
    "History": (
        "Marie Curie was born in Warsaw and studied at the Sorbonne in Paris. With Pierre Curie she discovered "
        "polonium, named after Poland; the Radium Institute in Paris was founded for her."
    ),
    "Support mail": (
        "Hello, this is Janet Okafor from Brightwater Logistics. Our Nairobi office cannot log in since this morning; "
        "Mombasa works. Could Tom from your team call me, please?"
    ),
    "新闻": (
        "阿里巴巴集团在杭州宣布，张勇将卸任董事会主席。蔡崇信接任后，将与浙江大学和清华大学扩大合作，"
        "在杭州和北京各建一个研究中心。"
    ),
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
            shown = gr.HighlightedText(
                label=ctx.t("entities.result"),
                color_map=COLOURS,
                show_legend=True,
                elem_classes=["wrapped", "steady"],
                show_whitespaces=False,
            )
            gr.Markdown(ctx.t("entities.legend"), elem_classes=["note"])
        with bench.details():
            explain = ExplainPanel(bench)
            stress = StressPanel(bench)
            dial = dial_view("entities-dial")
            counted = mentions_view("entities-counted")
        bench.examples([[text] for text in EXAMPLES.values()], [text], list(EXAMPLES))
        compare = ComparePanel(bench)

    def render(view: View, text: str) -> Updates:
        sure = describe_entity_dial(ctx, view.stats.model_id, view.result) if view.stats else ""
        return {
            dial: sure,
            shown: mark_entities(text, view.result),
            counted: describe_mentions(view.result),
            explain.view: "",
            stress.view: "",
        }

    def to_request(text: str) -> dict[str, str]:
        return {"text": text}

    outputs = [shown, counted, dial, explain.view, stress.view]
    bench.connect(inputs=[text], outputs=outputs, to_request=to_request, render=render)
    explain.connect([text], to_request)
    stress.connect([text], to_request)
    compare.connect([text], to_request)
    BatchPanel(bench)


def mark_entities(text: str, result: EntitiesResult) -> list[tuple[str, str | None]]:
    """The whole text, each entity with its type."""
    return marked(text, ((entity.start, entity.end, entity.label) for entity in result.entities))


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def entities(
        text: str, model: str = "auto", request: gr.Request | None = None
    ) -> AsyncGenerator[Record, None]:
        """Find the persons, organisations and places that a text names.

        Args:
            text: What to read, such as a news item; at most 20,000 characters.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with entities (each with text, label, start, end and score), model and seconds.
        """
        async for record in serve(ctx, TASK, {"text": text}, model, request):
            yield record

    return entities


DEMO = Demo(slug="entities", order=45, icon="◈", task=TASK, build=build, endpoint=endpoint)
