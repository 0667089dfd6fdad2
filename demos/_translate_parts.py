"""What both views of translation have: the glossary, and what is said about a result in words."""

from __future__ import annotations

import gradio as gr

from demos._demo import DemoContext
from demos._languages import NAMES
from demos._status import line, status_view, string
from llm_core.tasks.translate import AUTO, TranslateResult


def glossary_field(ctx: DemoContext, name: str) -> gr.Textbox:
    """One term and its translation a line."""
    return gr.Textbox(
        lines=3,
        max_lines=8,
        label=ctx.t("translate.glossary"),
        placeholder=ctx.t("translate.glossary_placeholder"),
        elem_id=f"{name}-glossary",
    )


def facts_view(name: str) -> gr.HTML:
    """Where `facts_of` is shown: detected language, sentences that were kept, sentences not to be trusted."""
    return status_view(f"{name}-facts", value="", classes=["facts"])


def facts_of(result: TranslateResult, source: str) -> str:
    """What a visitor should know of a translation before reading it.

    Args:
        result: The translation.
        source: What was chosen as the language of the text.
    """
    detected = NAMES.get(result.source, result.source) if source == AUTO else ""
    unsure = sum(pair.low_confidence for pair in result.sentences)
    return line(
        string("facts.detected", detected) if detected else (),
        string("facts.kept", str(result.kept_sentences)) if result.kept_sentences else (),
        string("facts.unsure", f"{unsure}/{len(result.sentences)}") if unsure else (),
    )
