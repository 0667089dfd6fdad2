"""Row checks: each kind of task accepts its own rows and names what others lack."""

from __future__ import annotations

from typing import Any

import pytest

from llm_core.data.rows import checked
from llm_core.errors import InputError

GOOD: dict[str, dict[str, Any]] = {
    "classification": {"text": "a", "label": "b"},
    "question_answering": {
        "id": "1",
        "context": "the cat",
        "question": "who?",
        "answers": [{"text": "cat", "answer_start": 4}],
        "source": "s",
    },
    "tagging": {"tokens": ["a", "b", "c"], "tags": ["B-PER", "I-PER", "O"]},
    "translation": {"en": "cat", "zh": "猫", "source": "s"},
    "text": {"text": "a", "title": "t"},
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_proper_row_passes_as_it_is(kind: Any) -> None:
    assert list(checked([(1, GOOD[kind])], kind, "f")) == [GOOD[kind]]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("classification", {"label": 1}, "label: f, line 7: input should be a valid string .got 1."),
        ("text", {"text": None}, "text: f, line 7: input should be a valid string"),
        ("question_answering", {"answers": [{"text": "cat"}]}, "answers.0.answer_start: f, line 7: field required"),
        ("question_answering", {"answers": [{"text": "cat", "answer_start": 3}]}, "'cat' must stand in the context at"),
        ("question_answering", {"answers": [{"text": "t", "answer_start": -1}]}, "'t' must stand in the context at -1"),
        ("tagging", {"tags": ["O", "O"]}, "3 tokens must have as many tags, not 2"),
        ("tagging", {"tags": ["O", "O", "PER"]}, "tag 'PER' must be O, B-TYPE or I-TYPE"),
        ("tagging", {"tokens": "abc"}, "tokens: f, line 7: input should be a valid list"),
        ("translation", {"zh": ["猫", 1]}, "zh must be a string, or a list of them"),
    ],
)
def test_a_bad_row_is_named(kind: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(checked([(7, GOOD[kind] | change)], kind, "f"))


def test_one_language_is_no_pair() -> None:
    with pytest.raises(InputError, match="must have two language fields"):
        list(checked([(1, {"en": "a", "source": "s"})], "translation", "f"))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="kind: must be one of classification, "):
        list(checked([], "poem", "f"))  # type: ignore[arg-type]
