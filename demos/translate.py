"""Translation between the languages of the models that the catalogue has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from demos._api import Record, serve
from demos._demo import Demo, DemoContext
from demos._handler import Updates
from demos._i18n import say
from demos._models import unavailable
from demos._stream import View
from demos._workbench import PRIVATE, Workbench
from llm_core.tasks.translate import AUTO, TASK, TRADITIONAL

NAMES = {
    "en": "English",
    "zh": "简体中文",
    TRADITIONAL: "繁體中文",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "it": "Italiano",
    "pt": "Português",
    "cs": "Čeština",
    "nl": "Nederlands",
    "pl": "Polski",
    "ru": "Русский",
    "ja": "日本語",
    "ko": "한국어",
    "ar": "العربية",
}
"""Languages by what their speakers call them."""
EXAMPLES = {
    "At the station": ("When does the next train to Beijing leave, and from which platform?", "en", "zh"),
    "A letter": ("Thank you for your order. We will send it tomorrow, and you will have it by Friday.", "en", "zh"),
    "天气": ("今天天气很好，我们去公园散步吧。", "zh", "en"),
    "通知": ("会议改到星期三下午三点，请准时参加。", "zh", "en"),
}


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    bench = Workbench(ctx, DEMO.slug, TASK)
    sources, targets = _languages(ctx)
    notice = gr.Markdown("", elem_id="translate-notice", elem_classes=["notice"])
    ctx.on_load.append(((notice,), lambda: (_notice(ctx),)))
    with bench.frame():
        with bench.fields():
            with gr.Row(elem_classes=["pair"]):
                source = gr.Dropdown(
                    [(ctx.t("translate.auto"), AUTO), *sources], value=AUTO, label=ctx.t("translate.source")
                )
                target = gr.Dropdown(targets, value="zh", label=ctx.t("translate.target"))
            text = gr.Textbox(
                lines=7, max_lines=14, label=ctx.t("common.text"), placeholder=ctx.t("common.text_placeholder")
            )
            with gr.Accordion(ctx.t("translate.glossary"), open=False):
                glossary = gr.Textbox(
                    lines=3, max_lines=8, label=ctx.t("translate.glossary"), show_label=False,
                    placeholder=ctx.t("translate.glossary_placeholder"), elem_id="translate-glossary",
                )  # fmt: skip
            swap = gr.Button(ctx.t("translate.swap"), size="sm", elem_id="translate-swap")
        with bench.results():
            result = gr.Textbox(
                lines=10, max_lines=18, label=ctx.t("translate.result"), interactive=False, buttons=["copy"],
                elem_id="translate-result",
            )  # fmt: skip
        bench.examples(list(EXAMPLES.values()), [text, source, target], list(EXAMPLES))

    def render(view: View, *values: Any) -> Updates:
        return {result: view.text if view.result is None else view.result.text}

    bench.connect(
        inputs=[text, source, target, glossary],
        outputs=[result],
        to_request=lambda text, source, target, glossary: {
            "text": text,
            "source": source,
            "target": target,
            "glossary": glossary or "",  # a field never shown sends nothing
        },
        render=render,
    )
    swap.click(_swapped, [source, target, text, result], [source, target, text, result], queue=False, **PRIVATE)


def _languages(ctx: DemoContext) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Menu entries of the languages that some model translates from, and to."""
    pairs = [pair for spec in ctx.catalog.for_task("translate") for pair in spec.language_pairs]

    def entries(codes: set[str]) -> list[tuple[str, str]]:
        codes = codes | {TRADITIONAL} if "zh" in codes else codes  # converted, so that any model of Chinese does
        known = [code for code in NAMES if code in codes]
        return [(NAMES.get(code, code), code) for code in [*known, *sorted(codes - set(known))]]

    return entries({source for source, _ in pairs}), entries({target for _, target in pairs})


def _notice(ctx: DemoContext) -> str:
    """That no translation model is on this machine, and what would enable one; nothing when there is one."""
    specs = ctx.catalog.for_task("translate")
    ready = set(unavailable(ctx, specs)).symmetric_difference(spec.id for spec in specs)
    here = any(ctx.engine.availability(ctx.catalog[model_id]).present for model_id in ready)
    return "" if here else say("translate.missing")


def _swapped(source: str, target: str, text: str, result: str) -> tuple[str, str, str, str]:
    """The other direction; the translation becomes the text."""
    if source == AUTO:
        source = "en" if target != "en" else "zh"
    return target, source, result or text, ""


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def translate(
        text: str, source: str = AUTO, target: str = "en", model: str = "auto", request: gr.Request | None = None
    ) -> AsyncGenerator[Record, None]:
        """Translate a text into another language.

        Args:
            text: What to translate; at most 20,000 characters.
            source: Language of the text as an ISO 639-1 code such as en or zh; auto detects it.
            target: Language to translate into, as an ISO 639-1 code.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with text (the translation), model and seconds.
        """
        async for record in serve(ctx, TASK, {"text": text, "source": source, "target": target}, model, request):
            yield record

    return translate


DEMO = Demo(slug="translate", order=30, icon="⇄", task=TASK, build=build, endpoint=endpoint)
