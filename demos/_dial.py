"""The confidence dial: answer only above a probability; what the browser draws, as data; see `_drawn`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import gradio as gr

from demos._demo import DemoContext
from demos._drawn import drawn_view, encoded
from llm_core.evaluation.coverage import COVERAGE_FILE, Coverage, read_coverage


def dial_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_dial` gives, or empty."""
    return drawn_view("dial", elem_id, "chart")


def describe_dial(ctx: DemoContext, model_id: str, scores: Mapping[str, float]) -> str:
    """Value of the view.

    Args:
        ctx: What the page is built with.
        model_id: The entry that answered.
        scores: Probability of each label.
    """
    label = max(scores, key=lambda name: scores[name])
    sets = [_curve(each) for each in _measured(ctx, model_id, scores)]
    return encoded({"label": label, "score": round(scores[label], 4), "sets": sets})


def _measured(ctx: DemoContext, model_id: str, scores: Mapping[str, float]) -> tuple[Coverage, ...]:
    """What is known of a model when it gives its own labels; nothing of labels that a visitor made up."""
    if model_id not in ctx.catalog:  # the visitor's own
        return ()
    spec = ctx.catalog[model_id]
    if spec.local is None or {label.lower() for label in spec.labels} != {label.lower() for label in scores}:
        return ()
    file = ctx.settings.models_dir / spec.local / COVERAGE_FILE
    return read_coverage(file) if file.is_file() else ()


def _curve(found: Coverage) -> dict[str, object]:
    shares = [[None if math.isnan(share) else round(share, 4) for share in row] for row in found.shares().tolist()]
    return {"title": found.title or found.data, "rows": found.rows, "shares": shares}
