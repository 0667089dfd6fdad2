"""Measuring a predictor: rows in, predictions out, figures with intervals.

`evaluate` takes any callable from rows to predictions, so the same figures can be measured on a model directory or on
the path that serves requests. Language models are measured by their likelihoods (`language_model`), programs by running
them (`code`): neither has one right prediction a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Estimate

Row = dict[str, Any]
"""One example, as `llm_core.data.loaders` reads it."""
Predict = Callable[[Sequence[Row]], Sequence[Any]]
"""Rows to one prediction each: a label; an answer, empty for "not in the text"; tags; or a translation."""
Kind = Literal["classification", "question_answering", "tagging", "translation"]


def evaluate(
    predict: Predict, rows: Sequence[Row], task: Kind, *, language: str = "en", source: str = "en"
) -> dict[str, Estimate]:
    """Scores of a predictor on rows that carry the truth.

    Args:
        predict: Rows to predictions, in order.
        rows: `text, label` (classification), `context, question, answers` (question answering), `tokens, tags`
            (tagging), or one field a language, such as `en, zh` (translation).
        task: Which of these.
        language: Of the answers, ``"en"`` or ``"zh"``; of translation the language translated into (ISO 639-1).
        source: The language translated from.

    Returns:
        Classification: accuracy, macro_f1, macro_recall, ``f1[label]``. Question answering: exact_match, f1 and, where
        there are such rows, answerable_exact_match, answerable_f1, no_answer_accuracy. Tagging: f1, precision, recall,
        ``f1[type]``. All are shares in [0, 1]. Translation: ``bleu[en-zh]`` and ``chrf[en-zh]`` in [0, 100] and, where
        the rows hold the source, the shares of `translation_checks` such as ``right_length[en-zh]``.

    Raises:
        InputError: There are no rows, a row lacks a field, or there is not one prediction a row.
    """
    if not rows:
        raise InputError("data", "must have at least one row")
    fields = {"classification": "label", "question_answering": "answers", "tagging": "tags", "translation": language}
    missing = next((i for i, row in enumerate(rows, start=1) if fields[task] not in row), None)
    if missing is not None:
        raise InputError("data", f"row {missing} must have the field {fields[task]!r}")
    predictions = list(predict(rows))
    if len(predictions) != len(rows):
        raise InputError("predict", f"must give one prediction for each of {len(rows)} rows", len(predictions))
    truth = [row[fields[task]] for row in rows]
    if task == "translation":
        sources = [row[source] for row in rows] if all(source in row for row in rows) else None
        return _translation_scores(predictions, truth, sources, f"{source}-{language}")
    return _scores(predictions, truth, task, language)


def _scores(predictions: list[Any], truth: list[Any], task: Kind, language: str) -> dict[str, Estimate]:
    """Each task's libraries are imported when it is measured."""
    if task == "classification":
        from llm_core.evaluation.labels import label_scores

        return label_scores(predictions, truth)
    if task == "tagging":
        from llm_core.evaluation.tags import tag_scores

        return tag_scores(predictions, truth)
    from llm_core.evaluation.answers import answer_scores

    references = [[answer["text"] for answer in answers] for answers in truth]
    return answer_scores(predictions, references, "zh" if language == "zh" else "en")


def _translation_scores(
    predictions: list[str], truth: list[str], sources: list[str] | None, direction: str
) -> dict[str, Estimate]:
    from llm_core.evaluation.translation import translation_scores
    from llm_core.evaluation.translation_checks import translation_checks

    scores = translation_scores(predictions, truth, target=direction.partition("-")[2])
    if sources is not None:
        scores |= translation_checks(sources, predictions, truth)
    return {f"{name}[{direction}]": estimate for name, estimate in scores.items()}
