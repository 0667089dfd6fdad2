"""What is learned: an objective turns a recipe's rows into features and knows its loss.

An objective is a small value with `features` (rows → token features) and, when the model's own loss does not do,
`loss(outputs, features)`. The trainer knows no task.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from llm_core.data.classification import balanced, classification_features
from llm_core.data.loaders import Row, load_rows
from llm_core.data.question_answering import make_windows, training_features, with_foreign_questions
from llm_core.training.recipe import DataPart, Recipe

Features = list[dict[str, Any]]
LossFunction = Callable[..., torch.Tensor]


class Objective(Protocol):
    """What the trainer needs to know of a task."""

    def features(self, tokenizer: Any, rows: list[Row]) -> Features:
        """Token features of training rows."""

    def loss(self) -> LossFunction | None:
        """``loss(outputs, labels, num_items_in_batch)`` as the Trainer calls it, or None for the model's own."""


@dataclass(frozen=True)
class Classification:
    """Cross-entropy over the labels, with label smoothing."""

    recipe: Recipe

    def features(self, tokenizer: Any, rows: list[Row]) -> Features:
        """See `Objective`."""
        return classification_features(tokenizer, rows, self.recipe.labels, self.recipe.max_length)

    def loss(self) -> LossFunction | None:
        """See `Objective`."""
        smoothing = self.recipe.optim.label_smoothing

        def cross_entropy(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
            # the Trainer sums micro-batches and averages processes: each gives its share of the whole batch's mean
            logits = outputs["logits"].float()
            total = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
            return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

        return cross_entropy


@dataclass(frozen=True)
class QuestionAnswering:
    """Cross-entropy over start and end positions; position 0 means "not in the text"."""

    recipe: Recipe

    def features(self, tokenizer: Any, rows: list[Row]) -> Features:
        """See `Objective`."""
        windows = make_windows(tokenizer, rows, self.recipe.max_length, self.recipe.stride)
        return training_features(windows, rows)

    def loss(self) -> LossFunction | None:
        """The model's own: the mean of both cross-entropies."""
        return None


def objective_for(recipe: Recipe) -> Objective:
    """The objective of the recipe's task."""
    return Classification(recipe) if recipe.task == "classification" else QuestionAnswering(recipe)


def mixture(recipe: Recipe, data_dir: Path | None) -> list[Row]:
    """The training rows of all parts, repeated as the recipe says, in file order; the trainer shuffles."""
    draw = random.Random(recipe.optim.seed)
    return [row for part in recipe.data for row in _repeated(part, _selected(part, data_dir), draw)]


def _selected(part: DataPart, data_dir: Path | None) -> list[Row]:
    rows = load_rows(part.name, "train", data_dir)
    return [row for row in rows if not part.sources or row["source"] in part.sources]


def _repeated(part: DataPart, rows: list[Row], draw: random.Random) -> list[Row]:
    whole, share = divmod(part.repeat, 1)
    rounds = [rows] * int(whole) + ([draw.sample(rows, round(len(rows) * share))] if share else [])
    return [row for chosen in rounds for row in _augmented(part, chosen, draw.randrange(2**32))]


def _augmented(part: DataPart, rows: list[Row], seed: int) -> list[Row]:
    if part.foreign_questions:
        return [*rows, *with_foreign_questions(rows, part.foreign_questions, seed)]
    return balanced(rows, part.balance, seed) if part.balance else rows
