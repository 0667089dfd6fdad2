"""Translation between the languages of the models that the catalogue has: of a text, or of a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import gradio as gr

from demos._api import Record, serve
from demos._batch import BatchPanel
from demos._compare import ComparePanel
from demos._demo import Demo, DemoContext
from demos._handler import Updates
from demos._languages import (
    follow_model,
    is_possible,
    language_menus,
    pairs_of,
    source_choices,
    target_choices,
    turned,
)
from demos._pairs import describe_pairs, let_choose, pairs_view
from demos._stream import View
from demos._stress import StressPanel
from demos._translate_file import build_file_view
from demos._translate_parts import facts_of, facts_row, glossary_field
from demos._workbench import PRIVATE, Workbench
from llm_core.selection import AUTO as AUTO_MODEL
from llm_core.tasks.translate import AUTO, TASK

MOST_ALTERNATIVES = 3
ALTERNATIVES = 2
"""By default: the search finds them on its way, so that they cost a tenth of the time."""
SETTINGS = ("beam_size=1, alternatives=0", "beam_size=4, alternatives=0", "beam_size=8, alternatives=0")
"""To compare with: greedy search, and wider ones. Alternatives need as many beams."""
EXAMPLES = {
    "At the station": (
        "Excuse me, where is the railway station? I have lost my ticket, and my train leaves in ten minutes.",
        "en",
        "zh",
    ),
    "Two languages": ("The weather is lovely today. 我们去公园散步吧。 A dog is playing with a red ball.", AUTO, "zh"),
    "Markdown": ("# Getting started\n\n- Open the *settings* page.\n- Run `make test` and wait.", "en", "zh"),
    "天气": ("今天天气很好，我们去公园散步吧。孩子们在草地上玩球。", "zh", "en"),
    "繁體": ("兩個女孩在海邊跑步。圖書館幾點關門？", AUTO, "en"),
}


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    with gr.Tabs(elem_classes=["views"]):
        with gr.Tab(ctx.t("translate.view_text"), id="text"):
            _build_text_view(ctx)
        with gr.Tab(ctx.t("translate.view_file"), id="file"):
            build_file_view(ctx)


def _build_text_view(ctx: DemoContext) -> None:
    bench = Workbench(ctx, DEMO.slug, TASK)
    with bench.frame():
        with bench.fields():
            menus = language_menus(ctx, DEMO.slug)
            text = gr.Textbox(
                lines=6, max_lines=14, label=ctx.t("common.text"), placeholder=ctx.t("common.text_placeholder")
            )
            options = _options(ctx)
        with bench.results():
            result = gr.Textbox(
                lines=9, max_lines=18, label=ctx.t("translate.result"), interactive=False, buttons=["copy"],
                elem_id="translate-result",
            )  # fmt: skip
            facts = facts_row(DEMO.slug)
        with bench.details():
            view = pairs_view("translate-pairs")
            stress = StressPanel(bench)
        both = [menus.source, menus.target]
        chosen = [bench.model, *both]
        prepare = (lambda model: _model_of_examples(ctx, model), [bench.model], chosen)
        bench.examples(list(EXAMPLES.values()), [text, *both], list(EXAMPLES), prepare)
        compare = ComparePanel(bench, SETTINGS)

    def render(seen: View, text: str, source: str, *_: Any) -> Updates:
        if seen.result is None:
            return {result: seen.text, view: "", stress.view: "", **dict.fromkeys(facts, "")}
        said: Updates = dict(zip(facts, facts_of(seen.result, source), strict=True))
        return {result: seen.result.text, view: describe_pairs(seen.result), stress.view: "", **said}

    inputs = [text, *both, *options]
    outputs = [result, view, stress.view, *facts]
    bench.connect(inputs=inputs, outputs=outputs, to_request=to_request, render=render)
    stress.connect(inputs, to_request)
    compare.connect(inputs, to_request)
    follow_model(bench, menus)
    let_choose(view, result)
    menus.swap.click(
        lambda model_id, source, target, text, result: (
            *turned(ctx, model_id, source, target, text), result or text, "", "", *[""] * len(facts),
        ),
        [*chosen, text, result],
        [*chosen, text, result, view, *facts],
        queue=False,
        **PRIVATE,
    )  # fmt: skip
    BatchPanel(bench, [*both, options[0]], batch_fields)


def _model_of_examples(ctx: DemoContext, model_id: str) -> tuple[str, Any, Any]:
    """A model for whichever example was clicked, and menus that have its languages: the chosen one if it has them."""
    if not all(is_possible(pairs_of(ctx, model_id), source, target) for _, source, target in EXAMPLES.values()):
        model_id = AUTO_MODEL
    pairs = pairs_of(ctx, model_id)
    return model_id, gr.update(choices=source_choices(pairs)), gr.update(choices=target_choices(pairs))


def _options(ctx: DemoContext) -> tuple[gr.Textbox, gr.Slider, gr.Checkbox, gr.Checkbox]:
    """In the order in which `to_request` takes them."""
    with gr.Accordion(ctx.t("translate.options"), open=False, elem_id="translate-options"):
        return (
            glossary_field(ctx, DEMO.slug),
            gr.Slider(0, MOST_ALTERNATIVES, ALTERNATIVES, step=1, label=ctx.t("translate.alternatives")),
            gr.Checkbox(True, label=ctx.t("translate.alignment")),
            gr.Checkbox(False, label=ctx.t("translate.back")),
        )


def to_request(
    text: str,
    source: str,
    target: str,
    glossary: str | None,
    alternatives: int | None,
    alignment: bool | None,
    back: bool | None,
) -> Mapping[str, Any]:
    """Fields of the request; what was never unfolded may come as ``None`` and means its default."""
    return {
        "text": text,
        "source": source,
        "target": target,
        "glossary": glossary or "",
        "alternatives": ALTERNATIVES if alternatives is None else alternatives,
        "alignment": alignment is not False,
        "back_translation": bool(back),
    }


def batch_fields(source: str, target: str, glossary: str | None) -> Mapping[str, Any]:
    """What counts for all rows of a table."""
    return {"source": source, "target": target, "glossary": glossary or ""}


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def translate(
        text: str,
        source: str = AUTO,
        target: str = "en",
        format: str = "auto",
        glossary: str = "",
        alternatives: int = 0,
        alignment: bool = False,
        back_translation: bool = False,
        model: str = "auto",
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Translate a text into another language.

        Args:
            text: What to translate; at most 20,000 characters.
            source: Language of the text as an ISO 639-1 code such as en or zh (zh-Hant too); auto detects it.
            target: Language to translate into, as such a code.
            format: plain, markdown, or auto, which tells by the text.
            glossary: Terms and how to translate them, one a line, with a tab or => between the two.
            alternatives: How many other translations to give of each sentence, 0 to 4.
            alignment: Whether to say which words stand for which.
            back_translation: Whether to translate the result back and compare it with the text.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with text (the translation), model and seconds; and, if more was asked for, with source, target,
            sentences and back_translation.
        """
        fields = {
            "text": text,
            "source": source,
            "target": target,
            "format": format,
            "glossary": glossary,
            "alternatives": alternatives,
            "alignment": alignment,
            "back_translation": back_translation,
        }
        async for record in serve(ctx, TASK, fields, model, request):
            yield record

    return translate


DEMO = Demo(slug="translate", order=30, icon="⇄", task=TASK, build=build, endpoint=endpoint)
