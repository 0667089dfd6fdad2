"""The histories that ship, and the rules of any."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llm_core.errors import InputError
from llm_core.settings import REPOSITORY_ROOT
from llm_core.training.history import MAX_POINTS, read_history, with_history

MODELS = REPOSITORY_ROOT / "models"


@pytest.mark.parametrize("name", with_history(MODELS))
def test_a_shipped_history_tells_of_learning(name: str) -> None:
    history = read_history(MODELS, name)
    assert 20 <= len(history.points) <= MAX_POINTS
    assert history.points[-1].loss < 0.75 * history.points[0].loss
    assert [point.step for point in history.points] == sorted({point.step for point in history.points})
    assert history.looks[0].step == 0 and history.looks[-1].step > history.points[-1].step / 2
    assert all(len(look.outputs) == len(history.inputs) > 0 for look in history.looks)
    assert history.looks[0].outputs != history.looks[-1].outputs
    assert history.scores and history.recipe.data and history.validated


def test_the_showcases_have_one() -> None:
    assert {"showcase-decoder", "showcase-encoder", "showcase-translator"} <= set(with_history(MODELS))


@pytest.mark.parametrize("name", ["qa-en", "../models/showcase-decoder", "", "nothing"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="model: has no recorded training"):
        read_history(MODELS, name)


def test_points_are_means_of_neighbours_and_an_input_without_output_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "showcase-decoder"
    folder.mkdir()
    rows = [f"{step},{10 * step},{step % 2},0.1,5,{step}.5,," for step in range(1, 2 * MAX_POINTS + 1)]
    header = "step,tokens,loss,learning_rate,tokens_per_second,seconds,eval_loss,eval_accuracy"
    (folder / "curve.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    lines = [
        {"step": 0, "input": "a", "output": "x"},
        {"step": 0, "input": "b", "output": "y"},
        {"step": 4, "input": "b", "output": "z"},
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    history = read_history(tmp_path, "showcase-decoder")
    assert len(history.points) == MAX_POINTS and {point.loss for point in history.points} == {0.5}
    assert (history.points[0].step, history.points[0].tokens, history.points[0].seconds) == (2, 20, 2.5)
    assert [(look.step, look.outputs) for look in history.looks] == [(0, ("x", "y")), (4, ("", "z"))]
    assert history.scores == ()


def test_reading_one_imports_no_torch() -> None:
    check = "import sys, llm_core.training.history; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], cwd=REPOSITORY_ROOT, check=True)
