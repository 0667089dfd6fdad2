"""Sentiment of the whole and of its sentences, in one call of the model."""

from __future__ import annotations

import pytest

from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog
from llm_core.errors import InputError
from llm_core.tasks.sentiment import ORDER, TASK, SentimentRequest
from tests.support.echo import echo_spec
from tests.support.sessions import MemorySession, finish

SPEC = echo_spec(
    "mood",
    tasks=("sentiment",),
    head="sequence_classification",
    labels=("negative", "neutral", "positive"),
    languages=("en",),
)
CHINESE = SPEC.model_copy(update={"id": "mood-zh", "languages": ("en", "zh")})


def request(text: str) -> SentimentRequest:
    return SentimentRequest.parse({"text": text})


def test_whole_and_sentences() -> None:
    text = "  It was positive. Later, negative!  "
    result = finish(TASK.run(MemorySession(EchoBackend().open(SPEC, None)), request(text)))  # type: ignore[arg-type]
    assert [text[part.start : part.end] for part in result.sentences] == ["It was positive.", "Later, negative!"]
    assert [part.label for part in result.sentences] == ["positive", "negative"]
    assert tuple(result.scores) == ORDER and sum(result.scores.values()) == pytest.approx(1)
    assert result.scores["positive"] == pytest.approx(result.scores["negative"])
    assert result.record() == {"label": result.label, "scores": result.scores}


def test_many_requests_are_one_call_and_one_sentence_is_read_once() -> None:
    backend = EchoBackend()
    session = MemorySession(backend.open(SPEC, None))  # type: ignore[arg-type]
    results = TASK.run_many(
        session, [request("Very positive."), request("Negative. Negative. Neutral."), request("negative")]
    )
    assert [result.label for result in results] == ["positive", "negative", "negative"]
    assert backend.batch_sizes == [1 + 4 + 1]
    assert results[0].scores == results[0].sentences[0].scores


def test_long_texts_are_averaged() -> None:
    text = "This was positive. " * 30 + "That was negative. " * 90
    result = finish(TASK.run(MemorySession(EchoBackend().open(SPEC, None)), request(text)))  # type: ignore[arg-type]
    assert result.windows > 1 and len(result.sentences) == 120
    assert result.label == "negative" and result.scores["positive"] > 0.1


def test_sentences_as_long_as_windows_are_read_once() -> None:
    text = "positive word " * 45 + "positive. " + "Negative word " * 45 + "negative."
    result = finish(TASK.run(MemorySession(EchoBackend().open(SPEC, None)), request(text)))  # type: ignore[arg-type]
    assert result.windows == 2 and [part.label for part in result.sentences] == ["positive", "negative"]


def test_other_label_names() -> None:
    spec = SPEC.model_copy(update={"labels": ("POSITIVE", "NEGATIVE")})
    result = finish(TASK.run(MemorySession(EchoBackend().open(spec, None)), request("negative")))  # type: ignore[arg-type]
    assert result.label == "negative" and list(result.scores) == ["positive", "negative"]


def test_languages() -> None:
    catalog = Catalog({spec.id: spec for spec in (SPEC, CHINESE)})
    assert TASK.candidates(catalog, request("Fine.")) == (SPEC, CHINESE)
    assert TASK.candidates(catalog, request("服务很好")) == (CHINESE,)
    with pytest.raises(InputError, match="text: is mostly written in Chinese characters, but mood reads English"):
        finish(TASK.run(MemorySession(EchoBackend().open(SPEC, None)), request("服务很好")))  # type: ignore[arg-type]
