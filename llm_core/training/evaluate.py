"""Measuring: predictions against the rows they were made from.

`evaluate` takes any callable from rows to predictions, so the same figures can be measured on a model directory or on
the path that serves requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_core.data.loaders import Row
from llm_core.errors import InputError
from llm_core.training.metrics import answer_scores, label_scores
from llm_core.training.recipe import ScorePart, Task

Predict = Callable[[Sequence[Row]], Sequence[str]]
"""Rows to one label or answer each; the empty answer means "not in the text"."""


def evaluate(predict: Predict, rows: Sequence[Row], task: Task) -> dict[str, float]:
    """Scores of a predictor on rows that carry the truth.

    Args:
        predict: Rows to predictions, in order.
        rows: `text, label` (classification) or `context, question, answers` (question answering).
        task: Which of the two.

    Returns:
        Shares in [0, 1]. Classification: accuracy, macro_f1, macro_recall, ``f1[label]``. Question answering:
        exact_match, f1 and, where there are such rows, answerable_exact_match, answerable_f1, no_answer_accuracy.

    Raises:
        InputError: There are no rows, or not one prediction a row.
    """
    if not rows:
        raise InputError("data", "must have at least one row")
    predictions = list(predict(rows))
    if len(predictions) != len(rows):
        raise InputError("predict", f"must give one prediction for each of {len(rows)} rows", len(predictions))
    if task == "classification":
        return label_scores(predictions, [row["label"] for row in rows])
    return answer_scores(predictions, [[answer["text"] for answer in row["answers"]] for row in rows])


def selected(rows: Sequence[Row], part: ScorePart) -> list[Row]:
    """The rows that a recipe's score is measured on."""
    return [
        row
        for row in rows
        if (not part.sources or row["source"] in part.sources)
        and (part.answerable is None or bool(row["answers"]) is part.answerable)
    ]
