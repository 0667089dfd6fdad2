"""The command line as a user types it, on the shipped catalogue, without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_core import cli, development, served_coverage, served_explanations
from llm_core.catalog import load_catalog
from llm_core.errors import LlmCoreError
from llm_core.evaluation.coverage import Coverage, read_coverage, write_coverage
from llm_core.evaluation.scores import Score, read_scores, write_scores
from llm_core.settings import REPOSITORY_ROOT


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LLM_CORE_OFFLINE", "1")
    yield


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_help_names_every_command() -> None:
    output = invoke("--help")
    assert all(command in output for command in ("run", "models", "pull", "train", "evaluate", "bench"))


def test_models_lists_every_entry_with_its_state() -> None:
    output = invoke("models")
    assert all(model_id in output for model_id in load_catalog())
    assert "no: " in output


def test_an_unknown_task_suggests_the_nearest() -> None:
    with pytest.raises(LlmCoreError, match="did you mean sentiment"):
        invoke("run", "sentimant")


def test_an_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(LlmCoreError, match="did you mean minilm"):
        invoke("pull", "minilmm")


def test_pull_needs_to_know_what() -> None:
    assert "name a model" in invoke("pull")


def test_pull_offline_says_what_would_help() -> None:
    with pytest.raises(LlmCoreError, match="opus-mt-en-zh is not available"):
        invoke("pull", "opus-mt-en-zh")


def test_evaluate_prints_and_writes_figures_with_their_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = Score(data="sst2", split="train", metric="accuracy", value=0.9, low=0.85, high=0.93, rows=200)
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(development, "evaluate_model", lambda *a: asked.append(a) or [score])
    output = invoke("evaluate", "m", "--data", "sst2", "--split", "train", "--output", str(tmp_path / "scores.json"))
    assert output == "sst2 train accuracy: 0.9000 [0.8500, 0.9300]\n"
    assert read_scores(tmp_path / "scores.json") == (score,)
    assert json.loads((tmp_path / "scores.json").read_text())["model"] == "m"
    assert asked[0][:2] == ("m", development.Rows("sst2", "train"))


def test_evaluate_keeps_what_the_coverage_file_holds_of_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "coverage.json"
    write_coverage(file, "m", [Coverage.of([0.7], [False], data="a")])
    monkeypatch.setattr(development, "evaluate_model", lambda *_: [])
    monkeypatch.setattr(served_coverage, "measure_coverage", lambda *_: Coverage.of([0.9], [True], data="b"))
    invoke("evaluate", "m", "--data", "b", "--coverage", str(file))
    assert [(each.data, each.right[0]) for each in read_coverage(file)] == [("a", 0), ("b", 1)]


def test_explanations_are_measured_instead_and_put_into_card_and_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("deletion", "deletion[random]", "deletion_gain", "insertion", "insertion[random]", "insertion_gain")
    found = [Score(data="d", metric=name, value=0.25, low=0.2, high=0.3, rows=9) for name in names]
    folder = tmp_path / "spam-en"
    folder.mkdir()
    (folder / "README.md").write_text("# card\n\n## Training data and licences\n")
    write_scores(folder / "scores.json", [found[0]], model="spam-en")
    monkeypatch.setenv("LLM_CORE_MODELS_DIR", str(tmp_path))
    monkeypatch.setattr(served_explanations, "explain_model", lambda *a: found)
    output = invoke("evaluate", "spam-en", "--data", "d", "--explain", "--card")
    assert "d validation insertion_gain: 0.2500 [0.2000, 0.3000]" in output
    assert "| better by | 0.2500 [0.2000, 0.3000]" in (folder / "README.md").read_text()
    kept = json.loads((folder / "scores.json").read_text())
    assert [each["metric"] for each in kept["explanations"]] == list(names) and len(kept["scores"]) == 1
    with pytest.raises(LlmCoreError, match="no card of ours"):
        invoke("evaluate", "multilingual-sentiment", "--data", "d", "--explain", "--card")


def test_an_unknown_benchmark_lists_the_known_ones() -> None:
    with pytest.raises(LlmCoreError, match="must be one of startup"):
        invoke("bench", "speed")


def test_errors_are_one_line_without_a_traceback() -> None:
    command = [sys.executable, "-m", "llm_core", "run", "nonsense"]
    done = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("error: task: must be one of")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
