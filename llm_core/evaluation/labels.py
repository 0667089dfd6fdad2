"""Scores of predicted labels: accuracy, macro F1, macro recall and the F1 of each label.

The labels are those of the truth; a predicted label that no row has counts only as a mistake. The formulas work on
counts, which add up over rows, so that one set of formulas gives the figures and their intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llm_core.evaluation.bootstrap import Array, Estimate, Metric, divided, interval, mean_interval


def label_scores(predicted: Sequence[str], gold: Sequence[str]) -> dict[str, Estimate]:
    """Accuracy, macro F1 and macro recall over the labels in `gold`, and each label's F1 as ``f1[label]``.

    A macro average over a resample leaves out the labels that it does not hold.
    """
    labels = sorted(set(gold))
    statistics = label_statistics(predicted, gold, labels)
    metrics: dict[str, Metric] = {"macro_f1": _macro_f1, "macro_recall": _macro_recall}
    scores = {"accuracy": mean_interval(np.asarray(predicted) == np.asarray(gold))}
    scores |= {name: interval(statistics, metric) for name, metric in metrics.items()}
    for index, label in enumerate(labels):
        scores[f"f1[{label}]"] = interval(statistics[:, [index, index + len(labels), index + 2 * len(labels)]], _f1)
    return scores


def label_statistics(predicted: Sequence[str], gold: Sequence[str], labels: Sequence[str]) -> Array:
    """(rows, 3 · labels): whether the row is rightly given each label, is given it, and has it."""
    names = np.asarray(labels)
    given, has = np.asarray(predicted)[:, None] == names, np.asarray(gold)[:, None] == names
    return np.concatenate([given & has, given, has], axis=1).astype(np.float64)


def _f1_each(sums: Array) -> Array:
    right, given, has = np.split(sums, 3, axis=-1)
    return np.where(has > 0, divided(2 * right, given + has), np.nan)


def _f1(sums: Array) -> Array:
    return np.asarray(_f1_each(sums)[..., 0])


def _macro_f1(sums: Array) -> Array:
    return np.asarray(np.nanmean(_f1_each(sums), axis=-1))


def _macro_recall(sums: Array) -> Array:
    right, _, has = np.split(sums, 3, axis=-1)
    return np.asarray(np.nanmean(divided(right, has), axis=-1))
