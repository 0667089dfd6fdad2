"""From a recipe to a model directory: fit, export, then `measure` what was exported."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_core.training.export import save_adapter
from llm_core.training.measure import measure
from llm_core.training.recipe import Recipe
from llm_core.training.trainer import fit


@dataclass(frozen=True)
class TrainReport:
    """What a training gave."""

    model_dir: Path
    scores: tuple[dict[str, Any], ...]
    """Entries of ``scores.json``: data, split, title, metric, value, rows."""
    adapter_bytes: int
    seconds: float
    """Wall time of this call; a resumed run counts only its last part."""


def train(
    recipe: Recipe,
    *,
    base_dir: Path,
    data_dir: Path | None,
    output_dir: Path,
    resume: bool = True,
    work_dir: Path | None = None,
) -> TrainReport:
    """Trains a recipe and writes the directory that ships.

    Args:
        recipe: What to train.
        base_dir: Directory of the base model in the Hub's format (config.json, tokenizer.json, model.safetensors).
        data_dir: Folder of data sets; None: environment variable, then the Hub.
        output_dir: The model directory to write, such as ``models/qa-en``.
        resume: Go on from the newest checkpoint, if there is one.
        work_dir: Where checkpoints go; default: ``runs/NAME`` under the current directory.

    Raises:
        InputError: A data row is malformed, or a label is not the recipe's.
        ModelUnavailableError: A data set is not to be had.
    """
    began = time.monotonic()
    work = work_dir or Path("runs") / recipe.name
    model = fit(recipe, base_dir=base_dir, data_dir=data_dir, work_dir=work, resume=resume)
    save_adapter(recipe, model, base_dir, output_dir)
    scores = measure(recipe, base_dir=base_dir, data_dir=data_dir, model_dir=output_dir)
    size = (output_dir / "adapter_model.safetensors").stat().st_size
    return TrainReport(output_dir, tuple(scores), size, time.monotonic() - began)
