"""Trainings in processes of their own, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from llm_core.settings import REPOSITORY_ROOT
from llm_core.training.curve import Row, read_curve
from llm_core.training.recipe import Recipe

RUNNER = REPOSITORY_ROOT / "tests" / "training" / "runner.py"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone")


def train_apart(
    recipe: Recipe,
    data_dir: Path,
    folder: Path,
    killed_after: int | None = None,
    processes: int = 1,
    launcher: tuple[str, ...] = TORCHRUN,
) -> None:
    """Fits a recipe in one or several processes; ``folder/final.safetensors`` has the weights.

    Args:
        recipe: From scratch.
        data_dir: Folder of data sets.
        folder: The run folder.
        killed_after: The processes die in the middle of the step after so many.
        processes: How many.
        launcher: Starts several.
    """
    launched = [] if processes == 1 else [*launcher, f"--nproc_per_node={processes}"]
    end = [] if killed_after is None else [str(killed_after)]
    command = [sys.executable, *launched, RUNNER, recipe.model_dump_json(exclude_unset=True), data_dir, folder, *end]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=300)
    if killed_after is None:
        assert done.returncode == 0, done.stderr[-3000:]
    elif processes == 1:
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    else:
        assert done.returncode != 0


def losses(folder: Path) -> list[tuple[float, ...]]:
    """The curve's figures that do not depend on the clock."""

    def figures(row: Row) -> tuple[float, ...]:
        return tuple(row.get(name, -1.0) for name in ("step", "tokens", "loss", "learning_rate", "eval_loss"))

    return [figures(row) for row in read_curve(folder / "curve.csv")]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """What `train_apart` trained."""
    return load_file(folder / "final.safetensors")
