"""What a worker is to train, as a folder, and the recipe that follows from it.

FOLDER/job.json  data/rows/{train,validation}.jsonl     written before the worker starts
       state.json  run/  model/  result.json            written by the worker
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from llm_core.files import write_json
from llm_core.training.jobs.examples import SEED, Division, Example, divide, labels_of
from llm_core.training.recipe import Recipe

TuningKind = Literal["linear_probe", "lora", "full"]
TUNINGS: tuple[TuningKind, ...] = get_args(TuningKind)
DATA = "rows"
MAX_TOKENS = 128
"""Of a text, special tokens included; what is longer is cut while learning."""
BUDGET_SECONDS = 150.0
"""Longest time for the steps; rows of many tokens get fewer epochs."""
NAME = "own-classifier"

_LEARNING_RATES: dict[TuningKind, float] = {"linear_probe": 5e-3, "lora": 1e-3, "full": 1e-4}
_BATCH = 8
_LARGE_BATCH, _LARGE_FROM = 16, 200
_LEAST_STEPS, _LEAST_EPOCHS, _MOST_EPOCHS = 120, 4, 40
"""A few rows are read many times over, many rows a few times."""


@dataclass(frozen=True)
class Base:
    """The model that is trained further."""

    directory: str
    """In the Hub's format."""
    name: str
    """On the Hub, or ``models/NAME``; for the card and the adapter."""
    licence: str
    languages: tuple[str, ...]
    on_hub: bool
    """Whether an adapter may ship alone, because others can have its base."""


@dataclass(frozen=True)
class Job:
    """One fine-tuning."""

    examples: tuple[Example, ...]
    """From `examples.check_examples`."""
    base: Base
    tuning: TuningKind
    threads: int = 2

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the logits."""
        return labels_of(self.examples)

    @property
    def division(self) -> Division:
        """Training and validation rows; always the same for the same examples."""
        return divide(self.examples)

    def recipe(self) -> Recipe:
        """How it is trained: so many steps that a few dozen rows take some 20 seconds on two cores."""
        rows = len(self.division.train)
        batch = _LARGE_BATCH if rows >= _LARGE_FROM else _BATCH
        an_epoch = math.ceil(rows / batch)
        steps = max(_LEAST_EPOCHS * an_epoch, min(_LEAST_STEPS, _MOST_EPOCHS * an_epoch))
        tuning: dict[str, Any] = {"kind": self.tuning, "ship": "model"}
        if self.tuning == "lora":
            tuning |= {"rank": 8, "alpha": 16, "ship": "adapter" if self.base.on_hub else "model"}
        return Recipe.model_validate(
            {
                "name": NAME,
                "title": f"A classifier of {len(self.labels)} labels",
                "objective": "classification",
                "base": self.base.name,
                "base_licence": self.base.licence,
                "languages": list(self.base.languages),
                "labels": list(self.labels),
                "max_length": MAX_TOKENS,
                # A probe's base is not changed: in float32 it is the very one that other models share in memory.
                "dtype": "float32" if self.tuning == "linear_probe" else "float16",
                "data": [{"name": DATA, "licence": "the trainer's own"}],
                "scores": [{"data": DATA, "metrics": ["accuracy", "macro_f1"]}],
                "calibrate_on": [DATA],
                "tuning": tuning,
                "optim": {
                    "max_steps": steps,
                    "learning_rate": _LEARNING_RATES[self.tuning],
                    "schedule": "linear",
                    "warmup_steps": max(2, steps // 12),
                    "batch_size": batch,
                    "micro_batch": batch,
                    "label_smoothing": 0.05,
                    "log_steps": max(1, steps // 40),
                    "eval_steps": max(1, steps // 12),
                    "eval_rows": 120,
                    "save_steps": 10**6,  # at the end, and where it is stopped
                    "seeds": [SEED],
                },
            }
        )

    def write(self, folder: Path) -> None:
        """Fill a folder for a worker."""
        write_json(folder / "job.json", asdict(self))
        data = folder / "data" / DATA
        data.mkdir(parents=True)
        for split, rows in self.division._asdict().items():
            lines = "".join(json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in rows)
            (data / f"{split}.jsonl").write_text(lines, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Job:
        """What `write` wrote."""
        told = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        base = Base(**{**told["base"], "languages": tuple(told["base"]["languages"])})
        return cls(tuple(Example(*row) for row in told["examples"]), base, told["tuning"], told["threads"])


@dataclass(frozen=True)
class State:
    """How far a worker is."""

    phase: Literal["starting", "training", "measuring", "done", "stopped", "failed"] = "starting"
    step: int = 0
    steps: int = 0
    """In all; 0 while not known."""
    seconds_left: float | None = None
    error: str = ""
    """For the visitor, where it failed."""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.phase in ("done", "stopped", "failed")

    def write(self, folder: Path) -> None:
        """Replace what was told before."""
        write_json(folder / "state.json", asdict(self))

    @classmethod
    def read(cls, folder: Path) -> State:
        """What was told last."""
        try:
            return cls(**json.loads((folder / "state.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
