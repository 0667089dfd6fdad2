"""Which words drove an answer: of each task, on models in memory."""

from __future__ import annotations

from typing import Any

import pytest

from llm_core.backends.base import Decision
from llm_core.backends.echo import EchoBackend, EchoModel
from llm_core.errors import InputError
from llm_core.tasks.explain import MAX_WINDOWS, TASK, ExplainRequest, ExplainResult
from llm_core.types import Progress
from tests.support.echo import echo_spec
from tests.support.sessions import MemorySession, streamed


def explain(spec: Any, **fields: Any) -> tuple[list[Any], ExplainResult]:
    session = MemorySession(EchoModel(spec, EchoBackend()))
    return streamed(TASK.run(session, ExplainRequest.parse(fields)))


SENTIMENT = echo_spec("s", tasks=("sentiment",), head="sequence_classification", labels=("Positive", "Negative"))
"""With labels in capitals, as other models write them."""
NEWS = echo_spec(
    "n", tasks=("classify",), head="sequence_classification", labels=("sports", "business"), label_set="news"
)
NAMES = echo_spec("e", tasks=("entities",), head="token_classification", labels=("O", "B-PER", "I-PER"))
READER = echo_spec("a", tasks=("answer",), head="span_extraction")


def test_the_likeliest_label_is_explained_and_any_other_on_demand() -> None:
    text = "Very positive, Not negative"
    _, found = explain(SENTIMENT, of="sentiment", text=text)
    assert found.explained.label == "positive"
    by_word = {text[each.start : each.end]: each.weight for each in found.words}
    assert by_word["positive"] == 2.0 and by_word["Very"] == -0.5 and by_word["negative"] == 0
    assert [choice.label for choice in found.choices] == ["positive", "negative"]
    _, other = explain(SENTIMENT, of="sentiment", text=text, label="Negative")
    assert other.explained.label == "negative"
    assert {text[each.start : each.end]: each.weight for each in other.words}["negative"] == 2.0
    assert (found.start, found.end) == (0, len(text))
    with pytest.raises(InputError, match="label: must be one of positive, negative"):
        explain(SENTIMENT, of="sentiment", text=text, label="sports")


def test_long_texts_are_explained_window_by_window_up_to_a_bound() -> None:
    text = "The match was about sports. " * 600
    steps, found = explain(NEWS, of="classify", text=text, label_set="news")
    assert steps == [Progress(number, MAX_WINDOWS) for number in range(MAX_WINDOWS)]
    assert found.end < len(text) and max(each.end for each in found.words) <= found.end
    total = sum(each.weight for each in found.words)
    assert total == pytest.approx(found.output - found.baseline + found.completeness_error)


def test_an_entity_is_explained_in_its_sentence() -> None:
    text = "Nobody came. Then Ada met Tom."
    _, found = explain(NAMES, of="entities", text=text, start=text.index("Ada"))
    assert found.explained.text == "Ada" and found.explained.label == "PER"
    assert {text[each.start : each.end] for each in found.words} == {"Then", "Ada", "met", "Tom", "."}
    assert [choice.text for choice in found.choices] == ["Nobody", "Then", "Ada", "Tom"]
    with pytest.raises(InputError, match="start: must be where an entity begins"):
        explain(NAMES, of="entities", text=text, start=1)
    with pytest.raises(InputError, match="names nothing"):
        explain(NAMES, of="entities", text="nothing here")


def test_an_answer_is_explained_by_question_and_passage(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Decision] = []
    attribute = EchoModel.attribute

    def remember(self: EchoModel, decisions: Any, cancel: Any) -> Any:
        asked.extend(decisions)
        return attribute(self, decisions, cancel)

    monkeypatch.setattr(EchoModel, "attribute", remember)
    fields = {"of": "answer", "text": "It stands in Lisbon today", "question": "What stands there?"}
    _, found = explain(READER, **fields)
    assert found.explained.text == "stands" and asked[0].span == (3, 9)
    assert [each.start for each in found.question_words] == [0, 5, 12, 17]
    assert {each.weight for each in found.words} == {0.0, -0.5}
    _, missing = explain(READER, **{**fields, "question": "Why?"})
    assert missing.explained.text == "" and asked[1].span is None


def test_the_fields_of_the_task_are_checked_by_the_task() -> None:
    with pytest.raises(InputError, match="question: is required"):
        explain(READER, of="answer", text="a")
    with pytest.raises(InputError, match="of"):
        ExplainRequest.parse({"of": "translate", "text": "a"})


def test_the_record_holds_what_is_needed_to_draw_it() -> None:
    _, found = explain(NEWS, of="classify", text="sports today", label_set="news")
    record = found.record()
    assert record["words"][0] == {"start": 0, "end": 6, "weight": 2.0} and record["explained"]["label"] == "sports"
    assert {"output", "baseline", "completeness_error"} <= record.keys()
