"""Metrics against values known from the SQuAD script and by hand."""

from __future__ import annotations

from typing import Any

import pytest

from llm_core.errors import InputError
from llm_core.training.evaluate import evaluate, selected
from llm_core.training.metrics import exact_match, label_scores, squad_f1
from llm_core.training.recipe import ScorePart


@pytest.mark.parametrize(
    ("prediction", "references", "em", "f1"),
    [
        ("The  Norman Conquest!", ["norman conquest"], 1.0, 1.0),
        ("in 1066", ["1066", "the year 1066"], 0.0, 2 / 3),
        ("Denmark, Iceland", ["Denmark, Iceland and Norway"], 0.0, 2 * (2 / 2) * (2 / 4) / (2 / 2 + 2 / 4)),
        ("Paris", ["London"], 0.0, 0.0),
        ("", [], 1.0, 1.0),
        ("Paris", [], 0.0, 0.0),
        ("", ["Paris"], 0.0, 0.0),
        ("the", ["a"], 1.0, 1.0),
        ("to be to", ["to to to be"], 0.0, 2 * 1.0 * 0.75 / 1.75),
    ],
)
def test_answers_are_compared_as_squad_does(prediction: str, references: list[str], em: float, f1: float) -> None:
    assert exact_match(prediction, references) == em
    assert squad_f1(prediction, references) == pytest.approx(f1)


def test_label_scores_by_hand() -> None:
    scores = label_scores(["a", "a", "b", "c"], ["a", "b", "b", "b"])
    assert scores["accuracy"] == 0.5
    assert scores["macro_recall"] == pytest.approx((1 + 1 / 3) / 2)
    assert scores["f1[a]"] == pytest.approx(2 / 3)
    assert scores["f1[b]"] == pytest.approx(0.5)
    assert "f1[c]" not in scores


def test_answers_with_and_without_unanswerable_rows() -> None:
    rows: list[dict[str, Any]] = [{"answers": [{"text": "x y"}]}, {"answers": [{"text": "z"}]}, {"answers": []}]
    scores = evaluate(lambda _: ["x", "z", ""], rows, "question_answering")
    assert scores["answerable_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["f1"] == pytest.approx((2 / 3 + 2) / 3)
    assert scores["no_answer_accuracy"] == 1.0
    assert "no_answer_accuracy" not in evaluate(lambda _: ["x", "z"], rows[:2], "question_answering")


@pytest.mark.parametrize(
    ("rows", "message"), [([], "at least one row"), ([{"label": "a"}], "one prediction for each of 1")]
)
def test_nothing_to_measure_is_an_error(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(lambda _: [], rows, "classification")


def test_a_score_is_measured_on_its_rows() -> None:
    rows = [{"source": s, "answers": a} for s in "xy" for a in ([], [{"text": "t"}])]
    assert selected(rows, ScorePart(data="d", metrics=("f1",))) == rows
    assert selected(rows, ScorePart(data="d", metrics=("f1",), sources=("x",), answerable=True)) == [rows[1]]
    assert selected(rows, ScorePart(data="d", metrics=("f1",), answerable=False)) == [rows[0], rows[2]]
