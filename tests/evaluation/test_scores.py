"""scores.json: written, read again, and files of earlier versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Estimate
from llm_core.evaluation.scores import Score, read_scores, write_scores
from llm_core.settings import REPOSITORY_ROOT


def test_what_is_written_is_read(tmp_path: Path) -> None:
    scores = (
        Score.of("bleu[en-zh]", Estimate(21.123456, 20.0, 22.5, 500, "tok:zh"), data="news", title="captions"),
        Score(data="old", metric="f1", value=0.5),
    )
    write_scores(tmp_path / "scores.json", scores, packages=("pydantic",), model="m", base="b")
    assert read_scores(tmp_path / "scores.json") == scores
    content = json.loads((tmp_path / "scores.json").read_text())
    assert (content["model"], content["base"], list(content["measured_with"])) == ("m", "b", ["pydantic"])
    assert content["scores"][0]["value"] == 21.1235 and "low" not in content["scores"][1]
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]


def test_a_score_shows_its_interval() -> None:
    assert str(Score.of("f1", Estimate(0.5, 0.41, 0.6, 9), data="d")) == "0.5000 [0.4100, 0.6000]"
    assert str(Score(data="d", metric="f1", value=0.5)) == "0.5000"


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY_ROOT / "models").glob("*/scores.json")), ids=lambda p: p.parent.name
)
def test_shipped_files_can_be_read(path: Path) -> None:
    scores = read_scores(path)
    assert len(scores) == len(json.loads(path.read_text())["scores"]) > 0
    assert all(score.rows for score in scores)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "JSONDecodeError"),
        ("{}", "KeyError"),
        ('{"scores": [{"data": "d", "metric": "f1"}]}', "value: Field required"),
        ('{"scores": [{"data": "d", "metric": "f1", "value": 1, "low": 0}]}', "low and high come together"),
        ('{"scores": [{"data": "d", "metric": "f1", "value": NaN}]}', "finite"),
        ('{"scores": [{"data": "d", "metric": "f1", "value": 1, "lo": 0}]}', "lo: Extra inputs"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_scores(tmp_path / "scores.json")
