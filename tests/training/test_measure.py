"""Which rows a recipe's scores are measured on."""

from __future__ import annotations

from llm_core.training.measure import selected
from llm_core.training.recipe import ScorePart


def test_a_score_is_measured_on_its_rows() -> None:
    rows = [{"source": s, "answers": a} for s in "xy" for a in ([], [{"text": "t"}])]
    assert selected(rows, ScorePart(data="d", metrics=("f1",))) == rows
    assert selected(rows, ScorePart(data="d", metrics=("f1",), sources=("x",), answerable=True)) == [rows[1]]
    assert selected(rows, ScorePart(data="d", metrics=("f1",), answerable=False)) == [rows[0], rows[2]]
