"""Calibration: how honest stated probabilities are, and what turns logits into honest ones, fitted on validation rows.

- Classification: one temperature that minimises the log loss (arXiv:1706.04599). It changes no label.
- Tagging: the temperature at which an entity's score is most nearly the chance that it is right. It changes no tag.
- Translation: the mean log-probability of a token below which a sentence is likely to be translated badly.
- Question answering: the margin over "not in the text" above which a span is shown, and two logistic curves: how
  probable the span is right, and how probable the text holds no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve

from llm_core.data.loaders import Row
from llm_core.data.question_answering import Span
from llm_core.evaluation.answers import RIGHT_FROM, Language, answer_f1

BAD_SHARE = 0.5
"""A translation of less than this share of the median quality is a bad one."""


def fit_temperature(logits: npt.NDArray[Any], gold: Sequence[int]) -> float:
    """The temperature in [0.2, 5] that minimises the log loss of ``softmax(logits / temperature)``; 1 without mistakes.

    Args:
        logits: (rows, labels).
        gold: Index of the right label per row.
    """
    truth = np.asarray(gold)

    def loss(temperature: float) -> float:
        scaled = logits.astype(np.float64) / temperature
        shifted = scaled - scaled.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return float(-log_p[np.arange(len(truth)), truth].mean())

    return _best_temperature(loss, logits.argmax(axis=1) == truth)


def fit_entity_temperature(scores_at: Callable[[float], npt.NDArray[Any]], right: npt.NDArray[Any]) -> float:
    """The temperature in [0.2, 5] that minimises the log loss of "this entity is right"; 1 without mistakes.

    Args:
        scores_at: Scores in [0, 1] of the entities found, for a temperature.
        right: (entities,) bool: whether each is among the truth.
    """
    truth = np.asarray(right, dtype=bool)

    def loss(temperature: float) -> float:
        scores = np.clip(scores_at(temperature).astype(np.float64), 1e-6, 1 - 1e-6)
        return float(-np.log(np.where(truth, scores, 1 - scores)).mean())

    return _best_temperature(loss, truth)


def _best_temperature(loss: Callable[[float], float], right: npt.NDArray[Any]) -> float:
    if right.all():  # nothing tells how sure is too sure
        return 1.0
    found = minimize_scalar(lambda log_t: loss(float(np.exp(log_t))), bounds=np.log([0.2, 5.0]), method="bounded")
    return float(np.exp(found.x))


def temperature_calibration(temperature: float, error_at: Callable[[float], float]) -> dict[str, Any]:
    """A fitted temperature as it goes into ``calibration.json``, with the calibration error without and with it.

    Where it does not make that error smaller, as it may where probabilities were honest before, it is 1.

    Args:
        temperature: What minimises the log loss.
        error_at: The expected calibration error, for a temperature.
    """
    errors = {each: error_at(each) for each in (1.0, temperature)}
    best = min(errors, key=lambda each: errors[each])
    return {
        "temperature": round(best, 4),
        "expected_calibration_error": {"before": round(errors[1.0], 4), "after": round(errors[best], 4)},
    }


def fit_threshold(
    rows: Sequence[Row], spans: Sequence[Span], allowed_loss: float = 1.0, language: Language = "en"
) -> float:
    """The margin at or below which spans are answered "not in the text", with the best mean F1 over all rows.

    Args:
        rows: Answerable and unanswerable rows.
        spans: The best span of each row.
        allowed_loss: How much of the answerable rows' F1 the threshold may cost, in [0, 1]; 1: any.
        language: Of the rows; see `answer_f1`.
    """
    margins = np.array([span.margin for span in spans])
    order = np.argsort(margins)
    shown = _span_f1(rows, spans, language)[order]
    empty = np.array([float(not row["answers"]) for row in rows])[order]
    # k = 0 … all: what is lost of the shown spans, and won of the empty answers, when the k smallest margins are hidden
    lost = np.concatenate([[0.0], np.cumsum(shown)])
    won = np.concatenate([[0.0], np.cumsum(empty)])
    affordable = lost <= allowed_loss * max(1.0, len(rows) - empty.sum())
    best = int(np.argmax(np.where(affordable, won - lost, -np.inf)))
    edges = np.concatenate([[margins.min() - 1.0], margins[order], [margins.max() + 1.0]])
    return float((edges[best] + edges[best + 1]) / 2)


def fit_curve(margins: Sequence[float], truth: Sequence[bool]) -> dict[str, float]:
    """``{"slope": a, "intercept": b}`` of the logistic curve ``1 / (1 + exp(-(a · margin + b)))`` for `truth`."""
    if len(set(truth)) < 2:
        raise ValueError("a curve needs both right and wrong rows")
    model = LogisticRegression(C=1e6).fit(np.array(margins)[:, None], np.array(truth))
    return {"slope": float(model.coef_[0, 0]), "intercept": float(model.intercept_[0])}


def translation_calibration(log_probabilities: Sequence[float], quality: Sequence[float]) -> dict[str, Any]:
    """The threshold for a warning, as it goes into ``calibration.json``, and how well it warns.

    A translation counts as bad when its quality is below `BAD_SHARE` of the median. The threshold is the one with the
    largest difference between the share of bad translations warned of and that of the others (Youden's J).

    Args:
        log_probabilities: Of each translation, the mean over its tokens, in nats.
        quality: Of each, such as its chrF.

    Returns:
        ``low_log_probability``; ``bad``, the share of bad translations; ``warned_bad`` and ``warned_good``, the shares
        of the bad and of the others below the threshold; ``auc``, the area under the ROC curve. Nothing where none
        is bad, or all are.
    """
    scores, found = np.asarray(log_probabilities), np.asarray(quality)
    bad = found < BAD_SHARE * np.median(found)
    if bad.all() or not bad.any():
        return {}
    good_warned, bad_warned, thresholds = roc_curve(bad, -scores)
    best = int(np.argmax(bad_warned - good_warned))
    warned = -scores >= thresholds[best]
    between = (scores[warned].max(initial=-np.inf) + scores[~warned].min(initial=0.0)) / 2
    return {
        "low_log_probability": round(float(between), 4),
        "bad": round(float(bad.mean()), 4),
        "warned_bad": round(float(bad_warned[best]), 4),
        "warned_good": round(float(good_warned[best]), 4),
        "auc": round(float(roc_auc_score(bad, -scores)), 4),
    }


def answer_calibration(
    rows: Sequence[Row], spans: Sequence[Span], allowed_loss: float = 1.0, language: Language = "en"
) -> dict[str, Any]:
    """Threshold and curves as they go into ``calibration.json``; a curve is left out where all rows are alike."""
    margins = [span.margin for span in spans]
    f1s = _span_f1(rows, spans, language)
    truths = {
        "answer_is_right": [bool(f1 >= RIGHT_FROM) and bool(row["answers"]) for f1, row in zip(f1s, rows, strict=True)],
        "not_in_text": [not row["answers"] for row in rows],
    }
    curves = {name: fit_curve(margins, truth) for name, truth in truths.items() if len(set(truth)) == 2}
    return {"no_answer_threshold": fit_threshold(rows, spans, allowed_loss, language), **curves}


def expected_calibration_error(probabilities: npt.NDArray[Any], gold: Sequence[int], bins: int = 15) -> float:
    """Mean gap between stated and real accuracy over equally wide bins of the top probability."""
    return calibration_gap(probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(gold), bins)


def calibration_gap(stated: npt.NDArray[Any], right: npt.NDArray[Any], bins: int = 15) -> float:
    """Mean gap between stated probability and share that is right, over equally wide bins; (rows,) each."""
    which = np.minimum((stated * bins).astype(int), bins - 1)
    gaps = [abs(float(stated[which == b].sum() - right[which == b].sum())) for b in range(bins)]
    return sum(gaps) / max(1, len(stated))


def _span_f1(rows: Sequence[Row], spans: Sequence[Span], language: Language) -> npt.NDArray[Any]:
    return np.array(
        [
            answer_f1(row["context"][s.start : s.end], [a["text"] for a in row["answers"]], language)
            for row, s in zip(rows, spans, strict=True)
        ]
    )
