"""How a shipped model learnt: its curve, what it said at several steps, what it read and what was measured at the end.

All of it comes from files that training wrote (`curve`, `sample_file`, the scores) and from the recipe. Nothing is
computed again, and no torch is imported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_core.errors import InputError
from llm_core.evaluation.scores import SCORES_FILE, Score, read_scores
from llm_core.training import curve, sample_file

if TYPE_CHECKING:
    from llm_core.training.recipe import Recipe

MAX_POINTS = 240
"""Of a curve; more are averaged in groups of neighbours."""


@dataclass(frozen=True)
class Point:
    """Where training stood."""

    step: int
    tokens: int
    """Read so far."""
    seconds: float
    loss: float
    """Cross-entropy in nats a token, on training texts."""


@dataclass(frozen=True)
class Look:
    """What the model made of each input at one step."""

    step: int
    outputs: tuple[Any, ...]
    """As `sample_file` says, in the order of the inputs."""


@dataclass(frozen=True)
class History:
    """One model's training."""

    recipe: Recipe
    points: tuple[Point, ...]
    validated: tuple[tuple[int, float], ...]
    """Step, and cross-entropy on validation texts."""
    inputs: tuple[str, ...]
    looks: tuple[Look, ...]
    scores: tuple[Score, ...]


def with_history(models_dir: Path) -> tuple[str, ...]:
    """Names of the models below a folder whose curve and samples are kept."""
    files = sorted(models_dir.glob(f"*/{sample_file.FILE}"))
    return tuple(file.parent.name for file in files if (file.parent / curve.FILE).is_file())


def read_history(models_dir: Path, name: str) -> History:
    """The history of one model.

    Raises:
        InputError: It is none of `with_history`, or a file is malformed.
    """
    from llm_core.training.recipe import load_recipe  # takes a second

    if name not in with_history(models_dir):
        raise InputError("model", "has no recorded training")
    folder = models_dir / name
    rows = curve.read_curve(folder / curve.FILE)
    lines = sample_file.read_samples(folder / sample_file.FILE)
    inputs = tuple(dict.fromkeys(line["input"] for line in lines))
    return History(
        recipe=load_recipe(name),
        points=tuple(_thinned([row for row in rows if "loss" in row])),
        validated=tuple((int(row["step"]), row["eval_loss"]) for row in rows if "eval_loss" in row),
        inputs=inputs,
        looks=tuple(_looks(lines, inputs)),
        scores=read_scores(folder / SCORES_FILE) if (folder / SCORES_FILE).is_file() else (),
    )


def _thinned(rows: Sequence[curve.Row]) -> list[Point]:
    size = max(1, math.ceil(len(rows) / MAX_POINTS))
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        Point(
            step=int(group[-1]["step"]),
            tokens=int(group[-1]["tokens"]),
            seconds=group[-1]["seconds"],
            loss=sum(row["loss"] for row in group) / len(group),
        )
        for group in groups
    ]


def _looks(lines: Sequence[dict[str, Any]], inputs: Sequence[str]) -> list[Look]:
    by_step: dict[int, dict[str, Any]] = {}
    for line in lines:
        by_step.setdefault(line["step"], {})[line["input"]] = line["output"]
    return [Look(step, tuple(said.get(text, "") for text in inputs)) for step, said in sorted(by_step.items())]
