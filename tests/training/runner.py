"""Trains a recipe in a process of its own: ``python runner.py RECIPE_JSON DATA_DIR RUN_FOLDER [KILLED_AFTER_STEPS]``.

With a number of steps it kills itself, as hard as a process can be killed, in the middle of the step that follows.
Under torchrun all processes run it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from llm_core.training.fitting import Fit
from llm_core.training.recipe import Recipe
from llm_core.training.trainer import CoreTrainer, process_rank


def main(recipe: str, data_dir: str, folder: str, killed_after: str = "") -> None:
    torch.set_num_threads(1)
    if killed_after:
        _kill_after(int(killed_after))
    fitted = Fit(Recipe.model_validate_json(recipe), None, Path(data_dir), Path(folder)).run()
    if process_rank() == 0:
        save_file(fitted.model.state_dict(), Path(folder) / "final.safetensors")


def _kill_after(steps: int) -> None:
    step = CoreTrainer.training_step

    def stopped(self: Any, *args: Any, **options: Any) -> torch.Tensor:
        if self.state.global_step == steps:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *args, **options)

    CoreTrainer.training_step = stopped  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
