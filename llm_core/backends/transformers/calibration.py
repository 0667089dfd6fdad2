"""Numbers that turn a model's scores into honest probabilities, fitted on validation data and kept beside the
weights.

``calibration.json`` holds, for classifiers and taggers, ``temperature`` (Guo et al. 2017, arXiv:1706.04599); for span
extraction ``no_answer_threshold``, the margin (span score − null score) above which a span is shown, and the logistic
curve ``answer_is_right`` (``slope``, ``intercept``) over margins; for translators ``low_log_probability``, the mean
log-probability of a token below which a sentence is outside what the model knows. It also says how the model was asked
when that was measured: ``stride``; for taggers ``mark_capitals``; for span extraction ``mark_shared_words``,
``overlap_weight`` and ``overlap_in_margin``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_core.backends.transformers.checkpoint import read_json
from llm_core.errors import WeightsError

FILE_NAME = "calibration.json"


@dataclass(frozen=True, slots=True)
class Calibration:
    """The identity by default: a checkpoint without the file is taken at its word."""

    temperature: float = 1.0
    """Divides a classifier's logits."""
    no_answer_threshold: float = 0.0
    """Margin from which a span is shown."""
    slope: float = 1.0
    intercept: float = 0.0
    stride: int | None = None
    """Tokens that neighbouring windows of a long text share; ``None``: as the task sees fit."""
    mark_capitals: bool = False
    """Whether a tagger is told by token types which words have capital letters."""
    mark_shared_words: bool = False
    """Whether span extraction is told by token types which words of the passage the question has."""
    overlap_weight: float = 0.0
    """What is added to the logit of a span whose sentence has all of the question's words, to choose one."""
    overlap_in_margin: bool = False
    """Whether that tells, too, if a span is to be shown."""
    low_log_probability: float | None = None
    """At most 0; ``None`` for a translator that was not calibrated."""

    def answer_is_right(self, margin: float) -> float:
        """Probability that a span with this margin answers its question; safe for infinite margins."""
        return 0.5 * (1.0 + math.tanh((self.slope * margin + self.intercept) / 2))


def read_calibration(directory: Path) -> Calibration:
    """Calibration of the model in `directory`.

    Raises:
        WeightsError: A value is not a finite number, temperature or slope is not positive, or the stride is no count.
    """
    file = directory / FILE_NAME
    if not file.is_file():
        return Calibration()
    values = read_json(file)
    curve = values.get("answer_is_right", {})
    if not isinstance(curve, dict):
        raise WeightsError(f"{directory.name}/{FILE_NAME}: answer_is_right must hold slope and intercept")
    calibration = Calibration(
        temperature=_number(values, "temperature", 1.0, directory),
        no_answer_threshold=_number(values, "no_answer_threshold", 0.0, directory),
        slope=_number(curve, "slope", 1.0, directory),
        intercept=_number(curve, "intercept", 0.0, directory),
        stride=_stride(values, directory),
        mark_capitals=values.get("mark_capitals") is True,
        mark_shared_words=values.get("mark_shared_words") is True,
        overlap_weight=_number(values, "overlap_weight", 0.0, directory),
        overlap_in_margin=values.get("overlap_in_margin") is True,
        low_log_probability=_number(values, "low_log_probability", 0.0, directory)
        if "low_log_probability" in values
        else None,
    )
    for name, value in (("temperature", calibration.temperature), ("slope", calibration.slope)):
        if value <= 0:
            raise WeightsError(f"{directory.name}/{FILE_NAME}: {name} must be positive, not {value!r}")
    return calibration


def _stride(values: Mapping[str, Any], directory: Path) -> int | None:
    value = values.get("stride")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise WeightsError(f"{directory.name}/{FILE_NAME}: stride must be a whole number from 0, not {value!r}")
    return value


def _number(values: Mapping[str, Any], key: str, default: float, directory: Path) -> float:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WeightsError(f"{directory.name}/{FILE_NAME}: {key} must be a finite number, not {value!r}")
    return float(value)
