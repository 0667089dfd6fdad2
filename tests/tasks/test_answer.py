"""Answers with exact places, honest refusals, and long texts ranked before they are read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog
from llm_core.errors import InputError
from llm_core.tasks.answer import READ_PASSAGES, TASK, AnswerRequest
from tests.support.echo import echo_spec
from tests.support.sessions import MemorySession, finish

READER = echo_spec("reader", tasks=("answer",), head="span_extraction", languages=("en",))
EMBED = echo_spec("embed", tasks=("embed",), head="embedding")
FILLER = "Nothing of interest happens in this sentence at all. "


def request(question: str, context: str) -> AnswerRequest:
    return AnswerRequest.parse({"question": question, "context": context})


def session(reader: EchoBackend | None = None, embedder: EchoBackend | None = None) -> MemorySession:
    model: Any = (reader or EchoBackend()).open(READER, None)  # type: ignore[arg-type]
    companion: Any = (embedder or EchoBackend()).open(EMBED, None)  # type: ignore[arg-type]
    return MemorySession(model, {"embed": companion})


def test_answer_and_place() -> None:
    context = "The gorgeous bridge opened in May."
    result = finish(TASK.run(session(), request("When was the bridge opened?", context)))
    assert result.answer == context[result.start : result.end] == "bridge"
    assert result.score > 0.5
    assert result.record() == {"answer": "bridge", "start": 13, "end": 19, "score": result.score}
    assert result.passages_total == 1 and result.passages[0].similarity is None and result.alternatives == ()


def test_not_in_the_text() -> None:
    result = finish(TASK.run(session(), request("Who paid?", "The bridge opened in May.")))
    assert (result.answer, result.start, result.end) == ("", 0, 0)
    assert 0.5 < result.score <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_long_texts_are_ranked_and_places_stay_exact(before: int, after: int) -> None:
    context = FILLER * before + "The submarine surfaced near Lisbon. " + FILLER * after
    result = finish(TASK.run(session(), request("Where was the submarine?", context)))
    assert result.answer == context[result.start : result.end] == "submarine"
    assert len(result.passages) <= READ_PASSAGES <= max(READ_PASSAGES, result.passages_total)
    if result.passages_total > 1:
        similarities = [passage.similarity for passage in result.passages]
        assert similarities == sorted(similarities, reverse=True)
        assert any(passage.start <= result.start < passage.end for passage in result.passages)


def test_alternatives_are_other_places() -> None:
    context = "The submarine dived. " + FILLER * 60 + "A submarine surfaced. " + FILLER * 60
    result = finish(TASK.run(session(), request("Which submarine?", context)))
    assert result.answer == "submarine"
    for candidate in result.alternatives:
        assert candidate.text == context[candidate.start : candidate.end]
        assert candidate.end <= result.start or candidate.start >= result.end


def test_long_chinese_texts_are_ranked_by_their_characters() -> None:
    reader, embedder = EchoBackend(), EchoBackend()
    model: Any = reader.open(echo_spec("reader", tasks=("answer",), head="span_extraction", languages=("zh",)), None)  # type: ignore[arg-type]
    companion: Any = embedder.open(EMBED, None)  # type: ignore[arg-type]
    filler = "今天的天气很好，没有什么特别的事情发生。" * 150
    context = filler + "长江大桥于一九五七年建成通车。" + filler
    asked = request("长江大桥是哪一年建成的？", context)
    result = finish(TASK.run(MemorySession(model, {"embed": companion}), asked))
    best, *others = result.passages
    assert "长江大桥" in context[best.start : best.end] and result.passages_total > len(others) > 1
    assert best.similarity is not None and 0 < best.similarity <= 1 and embedder.batch_sizes == []


def test_many_requests_are_one_call_of_the_reader() -> None:
    reader, embedder = EchoBackend(), EchoBackend()
    requests = [request("the bridge?", "A bridge."), request("a lisbon?", FILLER * 100), request("x?", "A boat.")]
    results = TASK.run_many(session(reader, embedder), requests)
    assert [result.answer for result in results[1:]] == ["", ""]
    assert reader.batch_sizes == [2 + len(results[1].passages)]
    assert embedder.batch_sizes == [1 + results[1].passages_total]


@pytest.mark.parametrize(
    ("question", "context", "message"),
    [
        (" ", "text", "question: must not be empty"),
        ("q" * 301, "text", "question: must have at most 300 characters"),
        ("who?", "", "context: must not be empty"),
        ("who?", "x" * 400_001, "context: must have at most 400000 characters"),
    ],
)
def test_requests_that_break_a_rule(question: str, context: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        request(question, context)


def test_languages() -> None:
    catalog = Catalog({READER.id: READER})
    assert TASK.candidates(catalog, request("who?", "A cat.")) == (READER,)
    with pytest.raises(InputError, match="question: is mostly written in Chinese characters"):
        TASK.candidates(catalog, request("谁来了？", "A cat."))
    with pytest.raises(InputError, match="context: is mostly written in Chinese characters"):
        finish(TASK.run(session(), request("who?", "故宫位于北京市中心。")))
