"""A training as it goes on, and what it brought: what the browser draws, as data; see `_drawn`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from demos._drawn import drawn_view, encoded
from llm_core.tasks.train.run import TrainResult
from llm_core.training.curve import Row
from llm_core.training.jobs.report import LabelFigures, Report

CURVES = {"loss": "loss", "kept_loss": "eval_loss", "kept_accuracy": "eval_accuracy"}
"""Lines, and the columns of `training.curve` that they are of."""
MAX_SHOWN = 100
"""Validation rows with their answers; the card and the figures have all."""


def train_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_training` gives, or empty."""
    return drawn_view("train", elem_id)


def describe_training(result: TrainResult) -> str:
    """Value of the view."""
    division, state = result.job.division, result.state
    told: dict[str, Any] = {
        "phase": state.phase,
        "step": state.step,
        "steps": state.steps,
        "left": state.seconds_left,
        "rows": [len(division.train), len(division.validation)],
        "labels": len(result.job.labels),
        "curves": {name: _points(result.curve, column) for name, column in CURVES.items()},
    }
    if result.before:
        right = [row.label for row in division.validation]
        hits = sum(answer == label for (answer, _), label in zip(result.before, right, strict=True))
        told["before"] = {"accuracy": hits / len(right), "by_meaning": result.by_meaning}
    if result.report is not None:
        told["report"] = _report(result, result.report)
    return encoded(told)


def _points(curve: Sequence[Row], name: str) -> list[list[float]]:
    return [[row["step"], round(row[name], 4)] for row in curve if name in row]


def _report(result: TrainResult, report: Report) -> dict[str, Any]:
    before = list(result.before) or [("", 0.0)] * len(report.predictions)
    rows = [
        [row.text, row.label, *earlier, row.answer, row.confidence]
        for row, earlier in zip(report.predictions, before, strict=True)
    ]
    rows.sort(key=lambda row: (row[1] == row[4], row[1] == row[2]))
    accuracy = report.scores["accuracy"]
    return {
        "accuracy": [accuracy.value, accuracy.interval],
        "macro_f1": [report.scores["macro_f1"].value, report.macro_f1_interval],
        "by_label": [_label(figures) for figures in report.by_label],
        "matrix": {"labels": list(report.labels), "counts": report.confusion},
        "mistakes": [list(row) for row in report.mistakes[:MAX_SHOWN]],
        "answers": rows[:MAX_SHOWN],
        "parameters": [report.training.trained, report.training.parameters],
        "seconds": round(report.training.seconds, 1),
    }


def _label(figures: LabelFigures) -> list[Any]:
    return [figures.label, figures.rows, figures.precision, figures.recall, figures.f1, figures.f1_interval]
