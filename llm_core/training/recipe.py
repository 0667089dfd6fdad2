"""Recipes: one TOML file says everything about a trained model but where files lie.

A recipe is a frozen, validated value; an unknown key is an error. The base model's directory and the data folder are
given to `train`, never written in a recipe, so a recipe means the same on every machine.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llm_core.errors import InputError

RECIPES_DIR = Path(__file__).parents[2] / "recipes"
Task = Literal["classification", "question_answering"]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataPart(_Part):
    """One data set of the mixture."""

    name: str
    repeat: Annotated[float, Field(gt=0, le=20)] = 1.0
    """How often each row is seen in an epoch; 0.5 draws half of the rows, 2.5 every row twice and half again."""
    sources: tuple[str, ...] = ()
    """Only rows whose `source` is among these; empty: all."""
    foreign_questions: Share = 0.0
    """QA: extra unanswerable rows, per row of each repeat, made by asking another passage."""
    balance: Share = 0.0
    """Classification: rare labels are drawn (largest count / count) ** balance times as often; 1: all alike."""
    licence: str
    """Licence of the texts in words; printed in the model card."""


class Adapter(_Part):
    """Which weights move. `full` trains all of them, and ships the low-rank part of the change."""

    kind: Literal["lora", "full"] = "lora"
    rank: Annotated[int, Field(ge=1, le=256)] = 32
    alpha: Annotated[int, Field(ge=1)] = 32
    """The low-rank product is scaled by alpha / rank."""
    hidden_dropout: Share = 0.1
    """Dropout on the base model's hidden states while training."""


class Optim(_Part):
    """How it is optimised: AdamW; the learning rate warms up, stays, and falls to zero (arXiv:2404.06395)."""

    epochs: Annotated[float, Field(gt=0, le=100)]
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Rows per step of the optimiser."""
    micro_batch: Annotated[int, Field(ge=1)] = 16
    """Rows computed at once; must divide `batch_size`. Small blocks of memory are reused, so 16 is faster than 32."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    decay: Share = 1.0
    """Share of the steps after the warm-up over which the learning rate falls linearly."""
    weight_decay: Share = 0.01
    label_smoothing: Share = 0.0
    seed: int = 13
    save_steps: Annotated[int, Field(ge=1)] = 500

    @model_validator(mode="after")
    def _divides(self) -> Optim:
        if self.batch_size % self.micro_batch:
            raise ValueError(f"micro_batch ({self.micro_batch}) must divide batch_size ({self.batch_size})")
        return self


class ScorePart(_Part):
    """One line of `scores.json`: rows of a validation split and the metrics measured on them."""

    data: str
    """Data set name."""
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    """Keys of what `evaluate` returns."""
    sources: tuple[str, ...] = ()
    """Only rows whose `source` is among these; empty: all."""
    answerable: bool | None = None
    """QA: only answerable rows (true), only the others (false), or all."""
    title: str = ""
    """What the rows are, for the card; default: the data set's name."""


class Recipe(_Part):
    """One trained model."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """Directory name under `models/`."""
    title: str
    """One line for the model card."""
    task: Task
    base: str
    """Hub id of the base model, written into the adapter and the card."""
    base_licence: str
    languages: tuple[str, ...] = ("en",)
    labels: tuple[str, ...] = ()
    """Classification: names in the order of the logits."""
    max_length: Annotated[int, Field(ge=8, le=512)] = 128
    stride: Annotated[int, Field(ge=0)] = 0
    """QA: tokens that neighbouring windows share."""
    data: Annotated[tuple[DataPart, ...], Field(min_length=1)]
    adapter: Adapter = Adapter()
    optim: Optim
    scores: Annotated[tuple[ScorePart, ...], Field(min_length=1)]
    calibrate_on: Annotated[tuple[str, ...], Field(min_length=1)]
    """Data sets whose validation rows fit the temperature or the no-answer threshold."""
    calibrate_sources: tuple[str, ...] = ()
    """Only rows whose `source` is among these; empty: all."""
    threshold_loss: Share = 1.0
    """QA: how much of the answerable rows' F1 the no-answer threshold may cost; less favours answering."""
    limits: str = ""
    """What the model is not good for; a paragraph of the card."""

    @model_validator(mode="after")
    def _fits_its_task(self) -> Recipe:
        if self.task == "classification" and len(set(self.labels)) < 2:
            raise ValueError("labels: classification needs at least two different labels")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: must differ from each other")
        if self.task == "question_answering" and (self.labels or not self.stride):
            raise ValueError("question_answering takes no labels and needs a stride")
        return self


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Reads a recipe by its name under `recipes/` or by the path of its TOML file.

    Args:
        name_or_path: ``"qa-en"`` or ``"some/where/qa-en.toml"``.

    Raises:
        InputError: There is no such recipe, or it breaks a rule; the message lists every broken rule.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = RECIPES_DIR / f"{name_or_path}.toml"
    if not path.is_file():
        raise InputError("recipe", f"must be a .toml file or one of {', '.join(recipe_names())}", str(name_or_path))
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise InputError("recipe", f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        raise InputError("recipe", f"{path.name}: {_broken_rules(error)}") from error


def recipe_names() -> list[str]:
    """Names of the recipes in `recipes/`."""
    return sorted(path.stem for path in RECIPES_DIR.glob("*.toml"))


def _broken_rules(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
