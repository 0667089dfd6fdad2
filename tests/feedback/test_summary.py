"""Votes summed up: counts, shares and intervals, and the command that prints them."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from llm_core import cli
from llm_core.feedback import FeedbackFile, Judged, Vote
from llm_core.feedback.summary import ALL, tallied


def votes(task: str, model: str, up: int, down: int, comment: str = "") -> list[Vote]:
    told = {"comment": comment, "language": "en"}
    judged = [Judged.of(task, {"text": "a"}, {}, model, None).model_dump() for _ in range(up + down)]
    return [Vote(**each, **told, thumbs="up" if number < up else "down") for number, each in enumerate(judged)]


GIVEN = [
    *votes("sentiment", "sentiment-en", 7, 1),
    *votes("sentiment", "sentiment-zh", 1, 1, "why"),
    *votes("poem", "poetry-zh", 0, 3),
]


def test_votes_are_counted_by_task_and_model_the_most_first() -> None:
    told = [(each.task, each.model, each.up, each.down, each.comments) for each in tallied(GIVEN)]
    assert told == [
        (ALL, ALL, 8, 5, 2),
        ("sentiment", ALL, 8, 2, 2),
        ("sentiment", "sentiment-en", 7, 1, 0),
        ("sentiment", "sentiment-zh", 1, 1, 2),
        ("poem", ALL, 0, 3, 0),
        ("poem", "poetry-zh", 0, 3, 0),
    ]
    assert tallied([]) == []


def test_the_interval_is_wilsons() -> None:
    for each in tallied(GIVEN):
        expected = binomtest(each.up, each.up + each.down).proportion_ci(method="wilson")
        assert each.interval == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert 0.0 <= each.interval[0] <= each.share <= each.interval[1] <= 1.0


def test_the_command_prints_the_table(tmp_path: Path) -> None:
    kept = FeedbackFile(tmp_path / "votes.jsonl")
    for vote in GIVEN:
        kept.keep(vote)
    printed = CliRunner().invoke(cli.app, ["feedback", str(tmp_path / "votes.jsonl")])
    assert printed.exit_code == 0, printed.output
    line = next(line.split() for line in printed.output.splitlines() if "sentiment-en" in line)
    assert line == ["sentiment", "sentiment-en", "7", "1", "87.5%", "52.9%", "–", "97.8%", "0"]
    (tmp_path / "none.jsonl").touch()
    assert "No votes yet." in CliRunner().invoke(cli.app, ["feedback", str(tmp_path / "none.jsonl")]).output
