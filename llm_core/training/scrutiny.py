"""What a sceptic asks of a classifier or tagger: simple baselines on the same rows, and how it takes slips of the pen.

Measured on the exported files after their calibration, with the scores of `measure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_core.data.loaders import Row, load_rows
from llm_core.evaluation.baselines import BASELINES
from llm_core.evaluation.evaluate import evaluate
from llm_core.evaluation.robustness import CHANGES, OF_WORDS, changed, negation_pairs
from llm_core.evaluation.scores import Score
from llm_core.training.export import open_predictor
from llm_core.training.measure import selected, with_recipe_tags
from llm_core.training.recipe import LABELLED, Recipe
from llm_core.training.recipe_parts import ScorePart

ROWS = 500
"""Of each data set are changed, at most."""
_METRIC = {"classification": "accuracy", "tagging": "f1"}


@dataclass(frozen=True)
class Scrutiny:
    """Figures by what was tried."""

    baselines: dict[str, list[Score]]
    """Baseline → its figure for each score of the recipe."""
    robustness: dict[str, list[Score]]
    """Change → accuracy (classification) or F1 (tagging) on each data set; ``as_written`` for comparison."""
    negation: float | None
    """Share of `robustness.negation_pairs` told apart; None: not a sentiment."""


def scrutinise(recipe: Recipe, model_dir: Path, base_dir: Path | None, data_dir: Path | None) -> Scrutiny | None:
    """Measures an exported model; None for objectives that have no such figures.

    Raises:
        InputError: A row is malformed.
    """
    if recipe.objective not in LABELLED:
        return None
    predict: Any = open_predictor(model_dir, base_dir)
    rows = {part: _rows(recipe, part, data_dir) for part in recipe.scores}
    parts = {(part.data, part.sources): part for part in recipe.scores}.values()
    names = ("as_written", *(CHANGES if recipe.objective == "classification" else OF_WORDS))
    robustness = {
        name: [_changed_score(recipe, part, predict, name, rows[part][:ROWS]) for part in parts] for name in names
    }
    baselines: dict[str, list[Score]] = {name: [] for name in BASELINES if recipe.objective == "classification"}
    for part in recipe.scores if baselines else ():
        known = selected(load_rows(part.data, "train", data_dir), part.model_copy(update={"limit": None}))
        for name, found in baselines.items():
            found += _baseline_scores(part, name, known, rows[part])
    return Scrutiny(baselines, robustness, _negation(recipe, predict))


def _changed_score(recipe: Recipe, part: ScorePart, predict: Any, change: str, rows: list[Row]) -> Score:
    metric, shown = _METRIC[recipe.objective], rows if change == "as_written" else changed(rows, change)
    task: Any = recipe.objective
    return Score.of(metric, evaluate(predict, shown, task)[metric], data=part.data, title=part.title or part.data)


def _baseline_scores(part: ScorePart, name: str, known: Sequence[Row], rows: Sequence[Row]) -> list[Score]:
    texts, labels = [row["text"] for row in known], [row["label"] for row in known]
    answers = BASELINES[name](texts, labels, [row["text"] for row in rows])
    measured = evaluate(lambda _: answers, rows, "classification")
    title = part.title or part.data
    return [Score.of(metric, measured[metric], data=part.data, title=title) for metric in part.metrics]


def _rows(recipe: Recipe, part: ScorePart, data_dir: Path | None) -> list[Row]:
    rows = load_rows(part.data, "validation", data_dir)
    return selected(with_recipe_tags(recipe, part.data, rows) if recipe.objective == "tagging" else rows, part)


def _negation(recipe: Recipe, predict: Any) -> float | None:
    if not {"positive", "negative"} <= set(recipe.labels):
        return None
    pairs = [pair for language in recipe.languages if language in ("en", "zh") for pair in negation_pairs(language)]
    told = predict([{"text": text} for pair in pairs for text in pair])
    right = [pair == ("positive", "negative") for pair in zip(told[::2], told[1::2], strict=True)]
    return sum(right) / len(pairs)
