"""The confidence dial: answer only above a probability; what the browser draws, as data; see `_drawn`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import gradio as gr

from demos._demo import DemoContext
from demos._drawn import drawn_view, encoded
from llm_core.evaluation.coverage import COVERAGE_FILE, Coverage, read_coverage
from llm_core.tasks.answer import AnswerResult
from llm_core.tasks.entities import EntitiesResult


def dial_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_dial` gives, or empty."""
    return drawn_view("dial", elem_id)


def describe_dial(ctx: DemoContext, model_id: str, scores: Mapping[str, float]) -> str:
    """Value of the view for a label.

    Args:
        ctx: What the page is built with.
        model_id: The entry that answered.
        scores: Probability of each label.
    """
    label = max(scores, key=lambda name: scores[name])
    own = ctx.catalog[model_id].labels if model_id in ctx.catalog else ()
    # Nothing was measured of labels that a visitor made up.
    known = {name.lower() for name in own} == {name.lower() for name in scores}
    return _described(ctx, model_id if known else "", "label", [(label, scores[label])], own=not known)


def describe_entity_dial(ctx: DemoContext, model_id: str, result: EntitiesResult) -> str:
    """The same for what a text names; each name is held back by itself."""
    return _described(ctx, model_id, "entity", [(each.text, each.score) for each in result.entities])


def describe_answer_dial(ctx: DemoContext, model_id: str, result: AnswerResult) -> str:
    """The same for an answer, or that there is none (an empty text)."""
    return _described(ctx, model_id, "answer", [(result.answer, result.score)])


def _described(
    ctx: DemoContext, model_id: str, kind: str, answers: Sequence[tuple[str, float]], *, own: bool = False
) -> str:
    told = [[text, round(score, 4)] for text, score in answers]
    sets = [_curve(each) for each in _measured(ctx, model_id)]
    return encoded({"kind": kind, "answers": told, "sets": sets, "own": own})


def _measured(ctx: DemoContext, model_id: str) -> tuple[Coverage, ...]:
    """What is known of a model; nothing of those that are in no catalogue."""
    if model_id not in ctx.catalog or (local := ctx.catalog[model_id].local) is None:
        return ()
    file = ctx.settings.models_dir / local / COVERAGE_FILE
    return read_coverage(file) if file.is_file() else ()


def _curve(found: Coverage) -> dict[str, object]:
    """Coverage, accuracy, the ends of its interval, and the share of true entities found or the F1, by threshold."""
    shares = [[None if math.isnan(share) else round(share, 4) for share in row] for row in found.shares().tolist()]
    further: Sequence[float | None] = found.f1 or ()
    if found.wanted is not None:
        further = [round(right / found.wanted, 4) for right in found.right]
    rows = [[*row, *([further[step]] if further else [])] for step, row in enumerate(shares)]
    return {"title": found.title or found.data, "rows": found.rows, "shares": rows}
