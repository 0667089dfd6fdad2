"""A run that was killed goes on to the very same numbers; several processes compute what one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from llm_core.settings import REPOSITORY_ROOT
from llm_core.training import checkpoints
from llm_core.training.curve import Row, read_curve
from llm_core.training.recipe import Recipe
from llm_core.training.sample_file import read_samples

Scratch = Callable[..., Recipe]
RUNNER = Path(__file__).parent / "runner.py"


def _run(recipe: Recipe, data_dir: Path, folder: Path, killed_after: int | None = None, processes: int = 1) -> None:
    launcher = (
        [] if processes == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    )
    end = [] if killed_after is None else [str(killed_after)]
    command = [sys.executable, *launcher, RUNNER, recipe.model_dump_json(exclude_unset=True), data_dir, folder, *end]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=300)
    if killed_after is None:
        assert done.returncode == 0, done.stderr[-2000:]
    elif processes == 1:
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    else:
        assert done.returncode != 0


def _losses(folder: Path) -> list[tuple[float, ...]]:
    def figures(row: Row) -> tuple[float, ...]:
        return tuple(row.get(name, -1.0) for name in ("step", "tokens", "loss", "learning_rate", "eval_loss"))

    return [figures(row) for row in read_curve(folder / "curve.csv")]


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "final.safetensors")


@pytest.mark.parametrize(
    ("objective", "killed_after", "optim"),
    [("masked_lm", 10, {}), ("causal_lm", 4, {"shallow_first": 4, "shallow_blocks": 1})],
)
def test_a_killed_run_goes_on_bit_by_bit(
    objective: str, killed_after: int, optim: dict[str, int], scratch: Scratch, data_dir: Path, tmp_path: Path
) -> None:
    inputs = {"masked_lm": "the red [MASK] saw", "causal_lm": "the red"}[objective]
    recipe = scratch(objective, samples={"inputs": [inputs]}, optim={"eval_steps": 4, **optim})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    _run(recipe, data_dir, whole)
    _run(recipe, data_dir, parts, killed_after)
    assert checkpoints.newest(parts) == parts / f"checkpoint-{killed_after // 4 * 4}"
    (parts / "checkpoint-12").mkdir()  # what a process killed while it writes leaves behind
    (parts / "checkpoint-12" / "model.safetensors").write_bytes(b"half")
    _run(recipe, data_dir, parts)
    assert len(_losses(whole)) == 15 and _losses(parts) == _losses(whole)
    assert read_samples(parts / "samples.jsonl") == read_samples(whole / "samples.jsonl")
    expected, found = _weights(whole), _weights(parts)
    assert (
        all(torch.equal(found[name], tensor) for name, tensor in expected.items()) and found.keys() == expected.keys()
    )


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True])
def test_two_processes_compute_what_one_does_and_resume(
    fsdp: bool, scratch: Scratch, data_dir: Path, tmp_path: Path
) -> None:
    plain: dict[str, Any] = {"optim": {"bf16": False, "eval_steps": 6, "save_steps": 6}, "model": {"dropout": 0.0}}
    one, two, parts = tmp_path / "one", tmp_path / "two", tmp_path / "parts"
    _run(scratch("causal_lm", **plain), data_dir, one)
    recipe = scratch("causal_lm", **{**plain, "optim": {**plain["optim"], "fsdp": fsdp}})
    _run(recipe, data_dir, two, processes=2)
    for mine, theirs in zip(_losses(one), _losses(two), strict=True):
        assert theirs == pytest.approx(mine, rel=1e-4)
    for name, tensor in _weights(one).items():
        torch.testing.assert_close(_weights(two)[name], tensor, atol=2e-3, rtol=1e-2)
    _run(recipe, data_dir, parts, killed_after=9, processes=2)
    _run(recipe, data_dir, parts, processes=2)
    assert _losses(parts) == _losses(two)
