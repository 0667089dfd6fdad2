"""Calibrate, score and describe an exported model.

Scores are measured on the exported float16 adapter as plain `peft` loads it, never on the model in memory. Each
validation row goes through the model once; calibration and every score look its output up.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from llm_core.data.loaders import Row, load_rows
from llm_core.data.question_answering import MAX_ANSWER_TOKENS
from llm_core.training.calibration import answer_calibration, expected_calibration_error, fit_temperature
from llm_core.training.card import model_card
from llm_core.training.evaluate import evaluate, selected
from llm_core.training.export import load_model, write_json
from llm_core.training.predictors import AnswerPredictor, LabelPredictor, answers
from llm_core.training.recipe import Recipe

Predictions = dict[int, str]
"""`id` of a row → its prediction."""
MEASURED_WITH = ("torch", "transformers", "peft", "scikit-learn")


def measure(recipe: Recipe, *, base_dir: Path, data_dir: Path | None, model_dir: Path) -> list[dict[str, Any]]:
    """Calibrates and scores an exported model; writes `calibration.json`, `scores.json` and the card beside it.

    Args:
        recipe: What it was trained by.
        base_dir: Directory of the base model.
        data_dir: Folder of data sets.
        model_dir: The exported model.

    Returns:
        The entries of ``scores.json``.
    """
    torch.set_float32_matmul_precision("medium")
    names = {*recipe.calibrate_on, *(part.data for part in recipe.scores)}
    validation = {name: load_rows(name, "validation", data_dir) for name in sorted(names)}
    read = _labels if recipe.task == "classification" else _answers
    predictions, settings = read(recipe, base_dir, model_dir, validation)
    write_json(model_dir / "calibration.json", {"task": recipe.task, "max_length": recipe.max_length, **settings})
    scores = _scores(recipe, predictions, validation)
    versions = {package: version(package) for package in MEASURED_WITH}
    write_json(
        model_dir / "scores.json",
        {"model": recipe.name, "base": recipe.base, "scores": scores, "measured_with": versions},
    )
    size = (model_dir / "adapter_model.safetensors").stat().st_size
    (model_dir / "README.md").write_text(model_card(recipe, scores, size), encoding="utf-8")
    return scores


def _scores(recipe: Recipe, predictions: Predictions, validation: dict[str, list[Row]]) -> list[dict[str, Any]]:
    def look_up(rows: Sequence[Row]) -> list[str]:
        return [predictions[id(row)] for row in rows]

    found = []
    for part in recipe.scores:
        rows = selected(validation[part.data], part)
        measured = evaluate(look_up, rows, recipe.task)
        about = {"data": part.data, "split": "validation", "title": part.title or part.data, "rows": len(rows)}
        found += [{**about, "metric": metric, "value": round(measured[metric], 4)} for metric in part.metrics]
    return found


def _calibration_rows(recipe: Recipe, validation: dict[str, list[Row]]) -> list[Row]:
    sources = recipe.calibrate_sources
    return [row for name in recipe.calibrate_on for row in validation[name] if not sources or row["source"] in sources]


def _labels(
    recipe: Recipe, base_dir: Path, model_dir: Path, validation: dict[str, list[Row]]
) -> tuple[Predictions, dict[str, Any]]:
    tokenizer = AutoTokenizer.from_pretrained(base_dir)
    predictor = LabelPredictor(load_model(model_dir, base_dir), tokenizer, recipe.labels, recipe.max_length)
    rows = [row for part in validation.values() for row in part]
    logits = dict(zip(map(id, rows), predictor.logits([row["text"] for row in rows]), strict=True))
    known = _calibration_rows(recipe, validation)
    fitted = np.stack([logits[id(row)] for row in known])
    gold = [recipe.labels.index(row["label"]) for row in known]
    temperature = fit_temperature(fitted, gold)
    settings = {
        "labels": list(recipe.labels),
        "temperature": round(temperature, 4),
        "rows": len(known),
        "expected_calibration_error": {
            name: round(expected_calibration_error(torch.from_numpy(fitted / t).softmax(-1).numpy(), gold), 4)
            for name, t in (("before", 1.0), ("after", temperature))
        },
    }
    return {key: recipe.labels[int(row.argmax())] for key, row in logits.items()}, settings


def _answers(
    recipe: Recipe, base_dir: Path, model_dir: Path, validation: dict[str, list[Row]]
) -> tuple[Predictions, dict[str, Any]]:
    tokenizer = AutoTokenizer.from_pretrained(base_dir)
    predictor = AnswerPredictor(load_model(model_dir, base_dir), tokenizer, recipe.max_length, recipe.stride)
    rows = [row for part in validation.values() for row in part]
    spans = dict(zip(map(id, rows), predictor.spans(rows), strict=True))
    known = _calibration_rows(recipe, validation)
    fitted = answer_calibration(known, [spans[id(row)] for row in known], recipe.threshold_loss)
    texts = answers(rows, [spans[id(row)] for row in rows], fitted["no_answer_threshold"])
    settings = {"stride": recipe.stride, "max_answer_tokens": MAX_ANSWER_TOKENS, "rows": len(known), **fitted}
    return dict(zip(map(id, rows), texts, strict=True)), settings
