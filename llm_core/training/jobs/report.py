"""What a fine-tuning brought: the answers to the rows that were kept out, and the figures that follow from them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from llm_core.evaluation.bootstrap import Estimate, Interval
from llm_core.files import write_json

MIN_INTERVAL_ROWS = 8
"""With fewer rows of a label, an interval of its F1 would say more than is known."""
FILE = "result.json"


class Prediction(NamedTuple):
    """A validation row with an answer."""

    text: str
    label: str
    """The right one."""
    answer: str
    confidence: float
    """Probability of the answer."""

    @property
    def right(self) -> bool:
        """Whether the answer is the label."""
        return self.answer == self.label


@dataclass(frozen=True)
class Training:
    """What it took."""

    steps: int
    tokens: int
    seconds: float
    parameters: int
    trained: int
    """Of the parameters, the ones that moved."""
    threads: int
    number_format: str
    """What products were computed in."""


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """How well one label is found; shares in [0, 1], ``None`` where nothing was given that label."""

    label: str
    rows: int
    precision: float | None
    recall: float
    f1: float
    f1_interval: Interval | None
    """``None`` where the rows cannot tell it."""


@dataclass(frozen=True)
class Report:
    """Answers of the trained model."""

    labels: tuple[str, ...]
    predictions: Sequence[Prediction]
    training: Training

    @cached_property
    def scores(self) -> dict[str, Estimate]:
        """``accuracy``, ``macro_f1``, ``macro_recall`` and ``f1[label]``."""
        from llm_core.evaluation.labels import label_scores

        return label_scores([row.answer for row in self.predictions], [row.label for row in self.predictions])

    @property
    def by_label(self) -> list[LabelFigures]:
        """Each label's precision, recall and F1."""
        scores = self.scores
        given, has = (Counter(getattr(row, name) for row in self.predictions) for name in ("answer", "label"))
        right = Counter(row.label for row in self.predictions if row.right)
        return [
            LabelFigures(
                label=label,
                rows=has[label],
                precision=right[label] / given[label] if given[label] else None,
                recall=right[label] / has[label],
                f1=scores[f"f1[{label}]"].value,
                f1_interval=_interval(scores[f"f1[{label}]"], has[label]),
            )
            for label in self.labels
        ]

    @property
    def macro_f1_interval(self) -> Interval | None:
        """``None`` where the rows of a label are too few, or too much alike, to tell it."""
        fewest = min(Counter(row.label for row in self.predictions).values())
        return _interval(self.scores["macro_f1"], fewest)

    @property
    def confusion(self) -> list[list[int]]:
        """Rows: the right label, columns: the answer; both in the order of `labels`."""
        counts = Counter((row.label, row.answer) for row in self.predictions)
        return [[counts[label, answer] for answer in self.labels] for label in self.labels]

    @property
    def mistakes(self) -> list[Prediction]:
        """Wrong answers, the surest first."""
        return sorted((row for row in self.predictions if not row.right), key=lambda row: -row.confidence)

    def write(self, folder: Path) -> None:
        """Keep it beside the job."""
        write_json(folder / FILE, {**asdict(self), "predictions": [list(row) for row in self.predictions]})

    @classmethod
    def read(cls, folder: Path) -> Report:
        """What `write` wrote."""
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        rows = [Prediction(*row) for row in told["predictions"]]
        return cls(tuple(told["labels"]), rows, Training(**told["training"]))


def _interval(f1: Estimate, rows: int) -> Interval | None:
    return f1.interval if rows >= MIN_INTERVAL_ROWS else None


def accuracy(answers: Sequence[str], labels: Sequence[str]) -> float:
    """Share of answers that are right."""
    return sum(answer == label for answer, label in zip(answers, labels, strict=True)) / len(labels)
