"""How often a model answers, and how often it is right, when it may keep silent where it is not sure enough.

Selective classification (Geifman & El-Yaniv 2017, arXiv:1705.08500): an answer is given where the probability of the
best label is at least a threshold. *Coverage* is the share of rows that are answered, accuracy the share of these that
are right (one minus the selective risk). Of a tagger the rows are the entities that it finds, and accuracy is their
precision; of a reader an answer is right when it matches exactly, or is "not in the text" where nothing answers.

The file ``coverage.json`` beside a model holds counts at 101 thresholds for each data set, so that every share and its
interval can be told from it:

    {"model": …, "sets": [{"data", "split", "title", "rows", "kept": [101 counts], "right": [101 counts]}, …]}

and of taggers ``wanted``, the number of true entities; of readers ``f1``, the mean over the kept rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import divided, wilson
from llm_core.files import replacing

COVERAGE_FILE = "coverage.json"
STEPS = 100
"""Thresholds are 0, 1 / STEPS, …, 1."""

Array = npt.NDArray[Any]
Shares = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1)] | None, ...], Field(min_length=STEPS + 1, max_length=STEPS + 1)
]
Counts = Annotated[tuple[int, ...], Field(min_length=STEPS + 1, max_length=STEPS + 1)]


class Coverage(BaseModel):
    """Counts at each threshold, on one data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    """Name of the data set."""
    split: str = "validation"
    title: str = ""
    """Which part of the data, when it is not all of it."""
    rows: int = Field(ge=1)
    kept: Counts
    """Rows whose best label is at least as probable as the threshold."""
    right: Counts
    """Of these, rows whose best label is the true one."""
    wanted: int | None = Field(default=None, ge=1)
    """Of a tagger: how many entities there are."""
    f1: Shares | None = None
    """Of a reader: mean F1 of the answers that are kept; None where none is."""

    @model_validator(mode="after")
    def _counts_fit(self) -> Coverage:
        pairs = list(zip(self.kept, self.right, strict=True))
        if self.kept[0] != self.rows or any(not 0 <= right <= kept for kept, right in pairs):
            raise ValueError("must have all rows at threshold 0, and no more right ones than kept ones")
        if list(self.kept) != sorted(self.kept, reverse=True):
            raise ValueError("must not keep more rows at a higher threshold")
        return self

    @classmethod
    def of(
        cls,
        confidences: Sequence[float] | Array,
        right: Sequence[bool] | Array,
        *,
        data: str,
        split: str = "validation",
        title: str = "",
        wanted: int | None = None,
        f1: Sequence[float] | Array | None = None,
    ) -> Coverage:
        """Counts of measured rows.

        Args:
            confidences: (rows,) probability of the best label.
            right: (rows,) whether it is the true one.
            data: As the field.
            split: As the field.
            title: As the field.
            wanted: As the field.
            f1: (rows,) of each answer.

        Raises:
            InputError: There are no rows.
        """
        sure, truth = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=bool)
        if not len(sure):
            raise InputError("data", "must have at least one row")
        kept = sure >= thresholds()[:, None]
        counts, of_these = (tuple(chosen.sum(axis=1).tolist()) for chosen in (kept, kept & truth))
        means = None if f1 is None else _means(np.asarray(f1, dtype=np.float64), kept)
        return cls(
            data=data, split=split, title=title, rows=len(sure), kept=counts, right=of_these, wanted=wanted, f1=means
        )

    def shares(self) -> Array:
        """(thresholds, 4): coverage, accuracy and the ends of its 95 % interval; the last three are nan where no row
        is kept."""
        kept, right = np.array(self.kept, dtype=np.float64), np.array(self.right, dtype=np.float64)
        return np.stack([kept / self.rows, divided(right, kept), *wilson(right, kept)], axis=-1)


def _means(values: Array, kept: Array) -> tuple[float | None, ...]:
    """(thresholds,) means of the values that are kept."""
    return tuple(round(float(values[chosen].mean()), 4) if chosen.any() else None for chosen in kept)


def thresholds() -> Array:
    """(101,) from 0 to 1."""
    return np.arange(STEPS + 1) / STEPS


def write_coverage(path: Path, model: str, found: Sequence[Coverage], *, keep: bool = False) -> None:
    """Writes the file in one step.

    Args:
        path: The file; its directory exists.
        model: What was measured.
        found: One for each data set.
        keep: Leave in place what the file holds of other data sets; those measured again are replaced where they stand.
    """
    earlier = read_coverage(path) if keep and path.is_file() else ()
    sets = {(each.data, each.split, each.title): each for each in (*earlier, *found)}
    lines = ",\n".join(json.dumps(each.model_dump(exclude_none=True), ensure_ascii=False) for each in sets.values())
    with replacing(path) as draft:
        draft.write_text(f'{{"model": {json.dumps(model)}, "sets": [\n{lines}\n]}}\n', encoding="utf-8")


def read_coverage(path: Path) -> tuple[Coverage, ...]:
    """What a file holds.

    Raises:
        InputError: It cannot be read as JSON, or breaks a rule; the message names the field.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Coverage.model_validate(entry) for entry in content["sets"])
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc'])) or 'set'}: {first['msg']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"cannot be read as coverage ({type(error).__name__})"
    raise InputError("coverage", f"{path.parent.name}/{path.name}: {problem}")
