"""Counts above each confidence, their shares and intervals, and the file that holds them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llm_core.errors import InputError
from llm_core.evaluation.coverage import STEPS, Coverage, read_coverage, thresholds, write_coverage
from llm_core.evaluation.scores import read_scores
from llm_core.settings import REPOSITORY_ROOT

SHIPPED = sorted((REPOSITORY_ROOT / "models").glob("*/coverage.json"))


def test_counts_are_of_rows_at_least_as_sure() -> None:
    found = Coverage.of([0.9, 0.9, 0.5, 0.35], [True, False, True, False], data="d")
    at = {round(float(x), 2): n for n, x in enumerate(thresholds())}
    assert (found.rows, found.kept[0], found.right[0]) == (4, 4, 2)
    assert [(found.kept[at[x]], found.right[at[x]]) for x in (0.35, 0.36, 0.5, 0.51, 0.9, 0.91)] == [
        (4, 2), (3, 2), (3, 2), (2, 1), (2, 1), (0, 0),
    ]  # fmt: skip
    shares = found.shares()
    assert shares.shape == (STEPS + 1, 4)
    assert shares[at[0.5], :2] == pytest.approx([0.75, 2 / 3])
    assert shares[at[0.91], 0] == 0 and np.isnan(shares[at[0.91], 1:]).all()


def test_data_sets_are_written_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "coverage.json"
    first, other = (Coverage.of([0.9], [True], data=name, title=f"{name} texts") for name in ("a", "b"))
    again = Coverage.of([0.8, 0.7], [True, False], data="a", title="a texts")
    write_coverage(file, "m", [first])
    write_coverage(file, "m", [other], keep=True)
    write_coverage(file, "m", [again], keep=True)
    assert read_coverage(file) == (again, other)
    assert json.loads(file.read_text())["model"] == "m"
    write_coverage(file, "m", [first])
    assert read_coverage(file) == (first,)


def test_no_rows_give_no_counts() -> None:
    with pytest.raises(InputError, match="data: must have at least one row"):
        Coverage.of([], [], data="d")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kept": [3] * 100}, "kept: Tuple should have at least 101 items"),
        ({"right": [4] * 101}, "no more right ones than kept ones"),
        ({"rows": 4}, "must have all rows at threshold 0"),
        ({"kept": [3, 1, *[2] * 99]}, "must not keep more rows at a higher threshold"),
        ({"rows": 0}, "rows: Input should be greater than or equal to 1"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    entry = {"data": "d", "rows": 3, "kept": [3] * 101, "right": [1] * 101} | change
    (tmp_path / "coverage.json").write_text(json.dumps({"model": "m", "sets": [entry]}))
    with pytest.raises(InputError, match=message):
        read_coverage(tmp_path / "coverage.json")
    (tmp_path / "coverage.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as coverage"):
        read_coverage(tmp_path / "coverage.json")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_counts_agree_with_the_scores(path: Path) -> None:
    """At threshold 0 the accuracy is that of scores.json, but for rows that the served precision decides otherwise, and
    for long ones: training reads their beginning, the task all of it."""
    scores = {(s.data, s.title, s.metric): s for s in read_scores(path.with_name("scores.json"))}
    for found in read_coverage(path):
        metric, value = "accuracy", found.right[0] / found.rows
        if found.wanted is not None:
            metric, value = "f1", 2 * found.right[0] / (found.rows + found.wanted)
        elif found.f1 is not None:
            metric = "exact_match"
            assert found.f1[0] == pytest.approx(scores[found.data, found.title, "f1"].value, abs=0.01)
        score = scores[found.data, found.title, metric]
        assert found.rows == score.rows or found.wanted is not None
        assert value == pytest.approx(score.value, abs=0.01)


def test_every_shipped_classifier_tagger_and_reader_has_them() -> None:
    sure = {
        path.parent.name
        for path in (REPOSITORY_ROOT / "models").glob("*/calibration.json")
        if json.loads(path.read_text())["task"] in ("classification", "tagging", "question_answering")
    }
    assert {path.parent.name for path in SHIPPED} == sure


def test_entities_have_how_many_there_are_and_answers_their_f1(tmp_path: Path) -> None:
    file = tmp_path / "coverage.json"
    names = Coverage.of([0.9, 0.4], [True, False], data="names", wanted=3)
    answers = Coverage.of([0.9, 0.4], [True, False], data="answers", f1=[1.0, 0.5])
    assert answers.f1 is not None and (answers.f1[0], answers.f1[41], answers.f1[91]) == (0.75, 1.0, None)
    write_coverage(file, "m", [names, answers])
    assert read_coverage(file) == (names, answers)
    assert "wanted" not in json.loads(file.read_text())["sets"][1]
