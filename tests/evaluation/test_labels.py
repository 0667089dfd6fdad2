"""Label scores against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score

from llm_core.evaluation.labels import label_scores

PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abc")), min_size=1, max_size=30)


@given(PAIRS)
def test_the_figures_are_scikit_learn_s(pairs: list[tuple[str, str]]) -> None:
    predicted, gold = [p for p, _ in pairs], [g for _, g in pairs]
    labels = sorted(set(gold))
    scores = label_scores(predicted, gold)
    options = {"labels": labels, "zero_division": 0.0}
    assert scores["accuracy"].value == pytest.approx(accuracy_score(gold, predicted))
    assert scores["macro_f1"].value == pytest.approx(f1_score(gold, predicted, average="macro", **options))
    assert scores["macro_recall"].value == pytest.approx(recall_score(gold, predicted, average="macro", **options))
    for label, value in zip(labels, f1_score(gold, predicted, average=None, **options), strict=True):
        assert scores[f"f1[{label}]"].value == pytest.approx(value)
    assert set(scores) == {"accuracy", "macro_f1", "macro_recall", *(f"f1[{label}]" for label in labels)}


def test_intervals_hold_the_figure_and_shrink_with_rows() -> None:
    draw = np.random.default_rng(0)

    def scores(rows: int) -> dict[str, float]:
        gold = draw.choice(list("abc"), rows, p=[0.6, 0.3, 0.1])
        wrong = draw.random(rows) < 0.2
        predicted = np.where(wrong, draw.choice(list("abc"), rows), gold)
        found = label_scores(list(predicted), list(gold))
        assert all(e.low <= e.value <= e.high and e.rows == rows for e in found.values())
        return {name: e.high - e.low for name, e in found.items()}

    few, many = scores(200), scores(20_000)
    assert all(many[name] < 0.3 * few[name] for name in few)


def test_a_label_that_a_resample_lacks_does_not_pull_the_macro_average_down() -> None:
    gold = ["a"] * 99 + ["b"]
    found = label_scores(gold, gold)["macro_f1"]
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)
