"""What becomes of an answer when the text is written otherwise: what the browser draws, as data; see `_drawn`."""

from __future__ import annotations

import gradio as gr

from demos._drawn import drawn_view, encoded
from llm_core.tasks.stress import StressResult


def stress_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_stress` gives, or empty."""
    return drawn_view("stress", elem_id)


def describe_stress(text: str, result: StressResult) -> str:
    """Value of the view: those that turned the answer first."""
    outcomes = sorted(result.outcomes, key=lambda outcome: (not outcome.same_meaning, not outcome.flipped))
    rows = [[each.change, each.text, each.label, each.score, each.flipped, each.same_meaning] for each in outcomes]
    return encoded({"text": text, "label": result.label, "flips": result.flips, "rows": rows})
