"""A model learning: what it said at several steps of its training, beside the curve; a view of *Under the hood*."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from demos._demo import DemoContext
from demos._drawn import drawn_view, encoded
from demos._model_words import titled
from demos._workbench import PRIVATE
from llm_core.errors import InputError
from llm_core.training.history import read_history, with_history

_FIRST = "showcase-decoder"


def build_learning(ctx: DemoContext, tab: gr.Tab) -> None:
    """The view, inside `tab`; nothing is read before a visitor opens it."""
    folder = ctx.settings.models_dir
    names = with_history(folder)
    gr.Markdown(ctx.t("learning.about"), elem_classes=["lead"])
    model = gr.Dropdown(
        [(titled(name, ctx.title_of(name)), name) for name in names],
        value=_FIRST if _FIRST in names else next(iter(names), None),
        label=ctx.t("model.label"),
        elem_id="hood-learning-model",
        filterable=False,
    )
    view = drawn_view("learning", "hood-learning-view")

    def show(name: str) -> str:
        return describe_learning(folder, name)

    for event in (tab.select, model.change):
        event(show, model, view, queue=False, **PRIVATE)


def describe_learning(folder: Path, name: str) -> str:
    """Value of the view; empty for what has no history."""
    try:
        history = read_history(folder, name)
    except InputError:
        return ""
    value: dict[str, Any] = {
        "id": name,
        "title": history.recipe.title,
        "points": [[point.step, point.tokens, round(point.seconds), round(point.loss, 4)] for point in history.points],
        "validated": [[step, round(loss, 4)] for step, loss in history.validated],
        "inputs": history.inputs,
        "looks": [[look.step, look.outputs] for look in history.looks],
        "data": list(dict.fromkeys((part.name, part.licence) for part in history.recipe.data)),
        "scores": [
            [score.title or score.data, score.metric, score.value, score.low, score.high] for score in history.scores
        ],
        "limits": " ".join(history.recipe.limits.split()),
    }
    return encoded(value)
