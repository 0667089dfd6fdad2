"""Boards of the shipped catalogue, and how models are placed on them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_core import cli, development
from llm_core.catalog import Catalog, load_catalog
from llm_core.evaluation.scores import Score, write_scores
from llm_core.leaderboard import BASES, Board, leaderboards
from llm_core.settings import REPOSITORY_ROOT
from llm_core.tasks import TASK_NAMES
from llm_core.training.recipe import recipe_names
from tests.support.echo import echo_encoder, echo_spec

SHIPPED = leaderboards(load_catalog(), REPOSITORY_ROOT / "models")
HEAD: dict[str, Any] = {"head": "sequence_classification", "tasks": ("sentiment",), "labels": ("good", "bad")}


def figure(value: float, metric: str = "accuracy", **fields: Any) -> dict[str, Any]:
    return {"data": "films", "title": "films", "metric": metric, "value": value, **fields}


def boards(*specs: Any, models_dir: Path = Path("nowhere")) -> dict[str, tuple[Board, ...]]:
    return leaderboards(Catalog({spec.id: spec for spec in specs}), models_dir)


def test_every_task_and_every_model_is_there() -> None:
    assert set(SHIPPED) - {BASES} == set(TASK_NAMES)
    placed = {placing.spec.id for found in SHIPPED.values() for board in found for placing in board.placings}
    assert placed == set(load_catalog())


@pytest.mark.parametrize("task", SHIPPED)
def test_the_best_stand_first_and_the_unmeasured_last(task: str) -> None:
    for board in SHIPPED[task]:
        values = [placing.score.value for placing in board.placings if placing.score]
        assert values == sorted(values, reverse=board.metric not in ("perplexity", "bits_per_byte"))
        measured = [placing.score is not None for placing in board.placings]
        assert measured == sorted(measured, reverse=True)
        assert board.data == "" or measured[0], "a board has a model that was measured"


@pytest.mark.parametrize(
    "command", {p.command for found in SHIPPED.values() for board in found for p in board.placings if p.command}
)
def test_every_command_is_one_that_the_command_line_takes(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(development, "evaluate_model", lambda *a: asked.append(a) or [])
    *first, measuring = command.partition("  # ")[0].split(" && ")
    assert all(line.startswith("python -m llm_core pull ") for line in first)
    python, flag, package, *arguments = shlex.split(measuring)
    assert (python, flag, package) == ("python", "-m", "llm_core")
    if arguments[0] == "train":
        assert arguments[1] in recipe_names()
        return
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    assert asked[0][0] in load_catalog()


def test_a_model_stands_where_it_reads_the_language_and_knows_the_labels() -> None:
    english = echo_encoder("english", **HEAD, languages=("en",), scores=(figure(0.9),))
    both = echo_encoder("both", **HEAD, languages=("en", "zh"), scores=(figure(0.8),), tier="hub")
    chinese = echo_encoder("chinese", **HEAD, languages=("zh",))
    [board] = boards(chinese, english, both)["sentiment"]
    assert boards(both, chinese, english)["sentiment"][0].placings == board.placings
    assert [placing.spec.id for placing in board.placings] == ["english", "both"]
    assert [placing.command.startswith("python -m llm_core pull both && ") for placing in board.placings] == [
        False,
        True,
    ]
    assert all(placing.command.endswith("--data films --data-dir DATA  # accuracy") for placing in board.placings)


def test_a_model_without_a_figure_of_that_metric_is_unmeasured() -> None:
    first = echo_encoder("first", **HEAD, scores=(figure(0.7), figure(0.6, "macro_f1")))
    other = echo_encoder("other", **HEAD, scores=(figure(0.9, "macro_f1"),))
    [board] = boards(other, first)["sentiment"]
    assert board.metric == "macro_f1", "what the first entry names first"
    assert [(p.spec.id, p.score and p.score.value) for p in board.placings] == [("other", 0.9), ("first", 0.6)]
    [board] = boards(first, other)["sentiment"]
    assert [(p.spec.id, p.score and p.score.value) for p in board.placings] == [("first", 0.7), ("other", None)]


def test_less_perplexity_is_better() -> None:
    worse, better = (echo_spec(name, scores=(figure(value, "perplexity"),)) for name, value in (("w", 90), ("b", 40)))
    [board] = boards(worse, better)["generate"]
    assert [placing.spec.id for placing in board.placings] == ["b", "w"]


def test_a_task_without_figures_has_its_models() -> None:
    [board] = boards(echo_spec("writer"))["generate"]
    assert (board.data, board.metric, [p.command for p in board.placings]) == ("", "", [""])


def test_simple_methods_stand_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "feelings").mkdir()
    scores = [Score(data="films", title="films", metric="accuracy", value=value) for value in (0.5, 0.8, 0.9)]
    further = {"baselines": {"majority": scores[:1], "tfidf": scores[1:2]}}
    write_scores(tmp_path / "feelings" / "scores.json", scores[2:], further=further)
    local: dict[str, Any] = {"local": "feelings", "files": ({"name": "a", "sha256": "0" * 64, "size": 1},)}
    spec = echo_encoder("feelings", **HEAD, **local, scores=(figure(0.9, low=0.88, high=0.92, rows=500),))
    [board] = boards(spec, models_dir=tmp_path)["sentiment"]
    assert [(name, score.value) for name, score in board.baselines] == [("tfidf", 0.8), ("majority", 0.5)]
    [placing] = board.placings
    assert placing.score is not None and (placing.score.low, placing.score.rows) == (0.88, 500)
    assert json.loads((tmp_path / "feelings" / "scores.json").read_text())["baselines"]
