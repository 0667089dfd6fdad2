"""The field for a seed, which may be empty. Gradio 6.31's own field for numbers shows, and sends, an empty one as 0."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demos._demo import DemoContext


def seed_field(ctx: DemoContext, label: str) -> gr.Textbox:
    """The component; `seed_of` reads its value.

    Args:
        ctx: What the tab is built with.
        label: Key of its label.
    """
    return gr.Textbox("", max_lines=1, label=ctx.t(label), placeholder=ctx.t("common.any_seed"))


def seed_of(written: Any) -> Any:
    """The seed, ``None`` of an empty field; what is no whole number as it is, for the request to refuse."""
    text = "" if written is None else str(written).strip()
    return int(text) if text.isdecimal() else text or None
