"""Plain predictors: a model and rows in, labels or answers out, in batches of similar length.

They serve measuring and calibration while training. The application serves through its own backends; `evaluate` takes
either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from llm_core.data.loaders import Row
from llm_core.data.question_answering import Span, best_span, make_windows

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LabelPredictor:
    """Label probabilities of texts.

    `temperature` divides the logits (arXiv:1706.04599); it changes no label, only how sure the model says it is.
    """

    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    max_length: int
    temperature: float = 1.0
    batch_size: int = 32

    def logits(self, texts: Sequence[str]) -> Array:
        """(texts, labels), float32, before the temperature."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        found = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        for indices, outputs in _forward(
            self.model, self.tokenizer, [{"input_ids": ids} for ids in encoded], self.batch_size
        ):
            found[indices] = outputs["logits"]
        return found

    def probabilities(self, texts: Sequence[str]) -> Array:
        """(texts, labels), each row sums to one."""
        scaled = torch.from_numpy(self.logits(texts)) / self.temperature
        return np.asarray(scaled.softmax(dim=-1).numpy())

    def __call__(self, rows: Sequence[Row]) -> list[str]:
        """The most probable label of each row's `text`."""
        return [self.labels[i] for i in self.logits([row["text"] for row in rows]).argmax(axis=1)]


@dataclass(frozen=True)
class AnswerPredictor:
    """Answers as spans of the passage; a margin at or below `threshold` gives the empty answer."""

    model: Any
    tokenizer: Any
    max_length: int
    stride: int
    threshold: float = 0.0
    batch_size: int = 16

    def spans(self, rows: Sequence[Row]) -> list[Span]:
        """The best span of each row, with its margin over "not in the text"."""
        windows = make_windows(self.tokenizer, rows, self.max_length, self.stride)
        features = [{"input_ids": w.input_ids, "token_type_ids": w.token_type_ids} for w in windows]
        logits: dict[int, tuple[Array, Array]] = {}
        for indices, outputs in _forward(self.model, self.tokenizer, features, self.batch_size):
            logits |= dict(zip(indices, zip(outputs["start_logits"], outputs["end_logits"], strict=True), strict=True))
        owned: list[list[int]] = [[] for _ in rows]
        for index, window in enumerate(windows):
            owned[window.row].append(index)
        return [
            best_span([windows[i] for i in own], [logits[i][0] for i in own], [logits[i][1] for i in own])
            for own in owned
        ]

    def __call__(self, rows: Sequence[Row]) -> list[str]:
        """The answer of each row's `question`, empty when it is not in the text."""
        return answers(rows, self.spans(rows), self.threshold)


def answers(rows: Sequence[Row], spans: Sequence[Span], threshold: float) -> list[str]:
    """The text of each span, or the empty answer where the margin does not exceed the threshold."""
    return [
        row["context"][span.start : span.end] if span.margin > threshold else ""
        for row, span in zip(rows, spans, strict=True)
    ]


def _forward(
    model: Any, tokenizer: Any, features: list[dict[str, list[int]]], batch_size: int
) -> Iterator[tuple[list[int], dict[str, Array]]]:
    """Outputs as arrays, in batches of similar length, with the indices of the features they belong to."""
    order = sorted(range(len(features)), key=lambda i: len(features[i]["input_ids"]))
    for first in range(0, len(order), batch_size):
        indices = order[first : first + batch_size]
        batch = tokenizer.pad([features[i] for i in indices], return_tensors="pt").to(model.device)
        with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16):
            outputs = model(**batch)
        yield indices, {name: value.float().cpu().numpy() for name, value in outputs.items()}
