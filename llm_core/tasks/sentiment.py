"""Sentiment: how a text and each of its sentences feel, as calibrated probabilities.

The whole text is read as a whole where it fits into one window; longer texts are read window by window and averaged
by length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from llm_core.backends.base import Classifies
from llm_core.catalog import Catalog, ModelSpec
from llm_core.limits import Text
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result
from llm_core.tasks.language import check_language, readers
from llm_core.tasks.sentences import Range, split_sentences, split_windows, units

WINDOW_UNITS = 800
"""About 200 tokens: a few sentences, as long as what the models were trained on."""
ORDER = ("positive", "neutral", "negative")


class SentimentRequest(Request):
    """What to judge."""

    text: Text


class SentenceSentiment(BaseModel):
    """Characters ``start:end`` of the text and how they feel."""

    model_config = ConfigDict(frozen=True)

    start: int
    end: int
    label: str
    scores: dict[str, float]


class SentimentResult(Result):
    """How the text feels as a whole, and sentence by sentence."""

    record_fields: ClassVar[tuple[str, ...]] = ("label", "scores")

    label: str
    scores: dict[str, float]
    """Probability of each label; they sum to 1."""
    sentences: tuple[SentenceSentiment, ...]
    windows: int
    """In how many pieces the text was read; more than one means that their probabilities were averaged by length."""


class SentimentTask:
    """See `Task`."""

    name: ClassVar[str] = "sentiment"
    request_type: ClassVar[type[SentimentRequest]] = SentimentRequest

    def candidates(self, catalog: Catalog, request: SentimentRequest) -> tuple[ModelSpec, ...]:
        """See `Task.candidates`."""
        return readers(catalog.for_task("sentiment"), "text", request.text)

    def run(self, session: Session, request: SentimentRequest) -> Steps[SentimentResult]:
        """See `Task.run`."""
        yield from ()
        return self.run_many(session, [request])[0]

    def run_many(self, session: Session, requests: Sequence[SentimentRequest]) -> list[SentimentResult]:
        """Results of many requests with one call of the model."""
        for request in requests:
            check_language(session.spec, "text", request.text)
        model = session.open(Classifies)
        plans = [_plan(request.text) for request in requests]
        texts = [
            piece.of(request.text) for request, plan in zip(requests, plans, strict=True) for piece in plan[0] + plan[1]
        ]
        probabilities = model.classify(texts, session.cancel)
        results, position = [], 0
        for request, (windows, sentences) in zip(requests, plans, strict=True):
            read = len(windows) + len(sentences)
            part = probabilities[position : position + read]
            results.append(_result(request.text, windows, sentences, part, session.spec.labels))
            position += read
        return results


def _plan(text: str) -> tuple[list[Range], list[Range]]:
    """The windows of the whole text, and its sentences; a single sentence is not read twice."""
    windows = split_windows(text, WINDOW_UNITS) or [Range(0, len(text))]
    sentences = split_sentences(text)
    return windows, [] if sentences == windows else sentences


def _result(
    text: str, windows: list[Range], sentences: list[Range], probabilities: NDArray[np.float32], labels: Sequence[str]
) -> SentimentResult:
    lengths = np.array([units(window.of(text)) for window in windows], dtype=np.float64)
    whole = _scores(labels, np.average(probabilities[: len(windows)], axis=0, weights=lengths))
    parts = probabilities[len(windows) :] if sentences else probabilities[: len(windows)]
    judged = [_sentence(place, _scores(labels, row)) for place, row in zip(sentences or windows, parts, strict=True)]
    return SentimentResult(label=_best(whole), scores=whole, sentences=tuple(judged), windows=len(windows))


def _sentence(place: Range, scores: dict[str, float]) -> SentenceSentiment:
    return SentenceSentiment(start=place.start, end=place.end, label=_best(scores), scores=scores)


def _scores(labels: Sequence[str], probabilities: NDArray[np.floating]) -> dict[str, float]:
    """By label, positive first; labels of other models are written in lower case and follow."""
    given = {label.lower(): float(p) for label, p in zip(labels, probabilities, strict=True)}
    known = [label for label in ORDER if label in given]
    return {label: given[label] for label in [*known, *(label for label in given if label not in ORDER)]}


def _best(scores: Mapping[str, float]) -> str:
    return max(scores, key=lambda label: scores[label])


TASK = SentimentTask()
