"""The file ``scores.json`` beside a model: what was measured, on what, and how sure the figure is.

    {"model": …, "base": …, "scores": [{"data", "split", "title", "rows", "metric", "value", "low", "high", …}, …],
     "measured_with": {package: version}}

One reader and one writer; cards, the catalogue and the page take their figures from here. Files without intervals,
which earlier versions wrote, can be read. The module does not know how a figure is measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Estimate
from llm_core.files import write_json

SCORES_FILE = "scores.json"
_DIGITS = 4


class Score(BaseModel):
    """One measured figure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    """Name of the data set."""
    split: str = "validation"
    title: str = ""
    """Which part of the data, when it is not all of it."""
    rows: int | None = Field(default=None, ge=1)
    """Rows it was measured on."""
    metric: str
    value: FiniteFloat
    low: FiniteFloat | None = None
    """Lower end of the 95 % interval."""
    high: FiniteFloat | None = None
    """Upper end."""
    signature: str = ""
    """How exactly it was computed, where a library writes that down."""

    @model_validator(mode="after")
    def _both_ends(self) -> Score:
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high come together")
        return self

    @classmethod
    def of(cls, metric: str, estimate: Estimate, *, data: str, split: str = "validation", title: str = "") -> Score:
        """A measured figure with its place, rounded to four digits."""
        low, high = (round(end, _DIGITS) for end in estimate.interval) if estimate.interval else (None, None)
        return cls(
            data=data, split=split, title=title, rows=estimate.rows, metric=metric,
            value=round(estimate.value, _DIGITS), low=low, high=high, signature=estimate.signature,
        )  # fmt: skip

    def __str__(self) -> str:
        """Value and interval, such as ``0.9312 [0.9211, 0.9402]``."""
        ends = "" if self.low is None else f" [{self.low:.{_DIGITS}f}, {self.high:.{_DIGITS}f}]"
        return f"{self.value:.{_DIGITS}f}{ends}"


def write_scores(
    path: Path,
    scores: Sequence[Score],
    *,
    packages: Sequence[str] = (),
    further: Mapping[str, Mapping[str, Sequence[Score]]] | None = None,
    **about: str | float | None,
) -> None:
    """Writes the file in one step, so that a reader never sees half of it.

    Args:
        path: The file; its directory exists.
        scores: What was measured.
        packages: Whose installed versions are to be noted.
        further: Figures that are not the model's own scores, such as ``{"baselines": {"tfidf": […]}}``.
        about: Further fields, such as ``model`` and ``base``; without those that are None.
    """
    told = {name: value for name, value in about.items() if value is not None}
    lists = {kind: {name: _entries(found) for name, found in group.items()} for kind, group in (further or {}).items()}
    versions = {name: version(name) for name in packages}
    content: dict[str, Any] = {**told, "scores": _entries(scores), **lists, "measured_with": versions}
    write_json(path, content)


def add_scores(path: Path, kind: str, scores: Sequence[Score]) -> None:
    """Put figures that are not the model's own scores into a file that is there, in the place of others of the kind.

    Raises:
        InputError: The file cannot be read.
    """
    read_scores(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, {**content, kind: _entries(scores)})


def _entries(scores: Sequence[Score]) -> list[dict[str, Any]]:
    return [{key: value for key, value in score if value is not None} for score in scores]


def read_scores(path: Path) -> tuple[Score, ...]:
    """The figures of a file.

    Raises:
        InputError: It cannot be read as JSON, or a figure breaks a rule; the message names the field.
    """
    return _read(path, lambda content: {"": content["scores"]})[""]


def read_baselines(path: Path) -> dict[str, tuple[Score, ...]]:
    """The figures of simple methods on the same rows, by the method's name; empty where a file has none.

    Raises:
        InputError: As `read_scores`.
    """
    return _read(path, lambda content: content.get("baselines", {}))


def _read(path: Path, groups: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> dict[str, tuple[Score, ...]]:
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = groups(content)
        return {name: tuple(Score.model_validate(entry) for entry in entries) for name, entries in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("scores", f"{path.parent.name}/{path.name}: {_problem(error)}") from error


def _problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'score'}: {first['msg']}"
    return f"cannot be read as scores ({type(error).__name__})"
