"""The list of what a text names, counted: what the browser draws, as data; see `_drawn`."""

from __future__ import annotations

import gradio as gr

from demos._drawn import drawn_view, encoded
from llm_core.tasks.entities import EntitiesResult

MAX_SHOWN = 300
"""Names."""


def mentions_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_mentions` gives, or empty."""
    return drawn_view("mentions", elem_id)


def describe_mentions(result: EntitiesResult) -> str:
    """Value of the view."""
    rows = [[each.text, each.label, each.count, each.sentences, each.score] for each in result.mentions]
    return encoded({"rows": rows[:MAX_SHOWN], "more": max(0, len(rows) - MAX_SHOWN), "read": result.sentences})
