"""Calibration on data whose right answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llm_core.data.question_answering import Span
from llm_core.evaluation.calibration import (
    answer_calibration,
    expected_calibration_error,
    fit_curve,
    fit_entity_temperature,
    fit_temperature,
    fit_threshold,
    temperature_calibration,
    translation_calibration,
)


def test_chinese_answers_are_compared_by_characters() -> None:
    rows = [{"context": "长江三峡", "answers": [{"text": "三峡大坝"}]}, {"context": "长江三峡", "answers": []}]
    spans = [Span(2, 4, -2.0), Span(0, 2, -1.0)]
    assert fit_threshold(rows, spans, 0.5, language="zh") < -2.0, "the first is two thirds right"
    assert fit_threshold(rows, spans, 0.5) > -1.0, "as an English word it is wrong"


def test_the_temperature_of_scaled_logits_is_found() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(20_000, 3)) * 2
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gold = [int(draw.choice(3, p=p)) for p in honest]
    assert fit_temperature(logits * 2.5, gold) == pytest.approx(2.5, rel=0.05)
    assert expected_calibration_error(honest, gold) < 0.02


def test_rows_without_a_mistake_do_not_make_it_surer() -> None:
    logits = np.eye(3)[[0, 1, 2, 0]]
    assert fit_temperature(logits, [0, 1, 2, 0]) == 1.0
    assert fit_temperature(logits, [0, 1, 2, 1]) != 1.0
    assert fit_entity_temperature(lambda t: np.array([0.9, 0.8]) ** t, np.array([True, True])) == 1.0
    assert fit_entity_temperature(lambda t: np.array([0.9, 0.8]) ** t, np.array([True, False])) > 2
    assert fit_entity_temperature(lambda t: np.empty(0), np.empty(0)) == 1.0


def test_a_temperature_that_makes_the_error_no_smaller_is_not_taken() -> None:
    errors = {1.0: 0.029, 1.05: 0.033, 2.0: 0.01234567}
    kept = temperature_calibration(1.05, errors.__getitem__)
    assert kept == {"temperature": 1.0, "expected_calibration_error": {"before": 0.029, "after": 0.029}}
    taken = temperature_calibration(2.0, errors.__getitem__)
    assert taken == {"temperature": 2.0, "expected_calibration_error": {"before": 0.029, "after": 0.0123}}


def _rows(margins: list[float], answerable: list[bool]) -> tuple[list[dict[str, Any]], list[Span]]:
    rows = [{"context": "word", "answers": [{"text": "word"}] if has else []} for has in answerable]
    return rows, [Span(0, 4, margin) for margin in margins]


@pytest.mark.parametrize(
    ("margins", "answerable", "low", "high"),
    [
        ([-2.0, -1.0, 1.0, 2.0], [False, False, True, True], -1.0, 1.0),
        ([-2.0, 3.0], [True, True], -9.0, -2.0),
        ([-2.0, 3.0], [False, False], 3.0, 9.0),
        ([-3.0, -2.0, 1.0, 2.0, 3.0], [False, True, False, True, True], -3.0, -2.0),
    ],
)
def test_the_threshold_parts_answers_from_none(
    margins: list[float], answerable: list[bool], low: float, high: float
) -> None:
    assert low <= fit_threshold(*_rows(margins, answerable)) < high


def test_the_threshold_may_cost_only_so_much() -> None:
    rows, spans = _rows([-3.0, -2.0, -1.0, 1.0, 2.0], [True, False, False, True, True])
    assert -1.0 <= fit_threshold(rows, spans) < 1.0
    assert fit_threshold(rows, spans, allowed_loss=0.1) < -3.0


def test_curves_grow_with_what_they_stand_for() -> None:
    fitted = answer_calibration(*_rows([-2.0, -1.0, 0.5, -0.5, 1.0, 2.0], [False, False, False, True, True, True]))
    assert fitted["answer_is_right"]["slope"] > 0 > fitted["not_in_text"]["slope"]


def test_a_curve_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="both right and wrong"):
        fit_curve([1.0, 2.0], [True, True])
    assert set(answer_calibration(*_rows([1.0, 2.0], [True, True]))) == {"no_answer_threshold"}


def test_the_warning_of_a_translator_tells_bad_translations_from_good_ones() -> None:
    chances = [-0.2, -0.3, -0.4, -0.5, -0.6, -1.6, -1.8, -2.0, -2.2]
    found = translation_calibration(chances, [60, 55, 70, 50, 65, 62, 10, 66, 12])
    assert found["low_log_probability"] == pytest.approx(-1.7), "midway between the last that it warns of and the next"
    assert (
        found["bad"] == pytest.approx(2 / 9, abs=1e-4)
        and found["warned_bad"] == 1.0
        and found["warned_good"] == pytest.approx(1 / 7, abs=1e-4)
    )
    assert found["auc"] < 1, "one good translation is less probable than the bad ones"
    assert translation_calibration([-0.1, -0.2], [50, 50]) == {}, "nothing to tell apart"
