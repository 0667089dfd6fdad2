"""Whatever a request holds: a valid request or an `InputError` that names the field."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from llm_core import limits
from llm_core.errors import InputError
from llm_core.tasks.base import Request


class Everything(Request):
    """One field of each bounded type."""

    text: limits.Text = "text"
    note: limits.OptionalText = ""
    max_new_tokens: limits.NewTokens = 16
    temperature: limits.Temperature = 0.5
    top_p: limits.TopP = 0.9
    repeat_penalty: limits.RepeatPenalty = 1.1
    seed: limits.Seed | None = None
    candidates: limits.Count = 1
    labels: Annotated[tuple[limits.Label, ...], Field(strict=False, max_length=limits.MAX_LABELS)] = ()


NUMBER_FIELDS = ("max_new_tokens", "temperature", "top_p", "repeat_penalty", "candidates")
HOSTILE_NUMBERS = [float("nan"), float("inf"), -float("inf"), 1e999, -1, 1e12, True, "1", "", [1], {}, None, 0.5j]
HOSTILE_TEXT = st.text(alphabet=st.characters(codec=None, categories=None), max_size=50) | st.sampled_from(
    ["\x00", "\ud800", "e" + "\u0301" * 1000, "\u202e", "👩‍👩‍👧‍👦" * 20, " \n\t\u3000"]
)


@pytest.mark.parametrize("field", NUMBER_FIELDS)
@pytest.mark.parametrize("value", HOSTILE_NUMBERS, ids=repr)
def test_hostile_numbers_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{field}: must be") as caught:
        Everything.parse({field: value})
    assert caught.value.field == field


@given(HOSTILE_TEXT)
def test_any_text_is_accepted_unchanged_or_refused_by_name(text: str) -> None:
    try:
        assert Everything.parse({"text": text}).text == text
    except InputError as error:
        assert error.field == "text"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": " \n"}, "text: must not be empty"),
        ({"text": "x" * (limits.MAX_TEXT_CHARS + 1)}, "text: must have at most 20000 characters"),
        ({"text": "a\x00b"}, "text: must not contain NUL"),
        ({"text": "\ud800"}, "text: must be valid Unicode"),
        ({"text": "e" + "\u0301" * 17}, "text: must not stack more than 16 combining marks"),
        ({"text": 5}, "text: must be a string"),
        ({"text": None}, "text: must be a string"),
        ({"max_new_tokens": 0}, r"max_new_tokens: must be at least 1 \(got 0\)"),
        ({"max_new_tokens": 10**9}, "max_new_tokens: must be at most 1024"),
        ({"temperature": float("nan")}, "temperature: must be a finite number"),
        ({"labels": ["a"] * 33}, "labels: must have at most 32 entries"),
        ({"labels": [""]}, r"labels\.0: must not be empty"),
        ({"labels": "abc"}, "labels: must be a list"),
        ({"unknown": 1}, "unknown: is not a field of this task"),
    ],
)
def test_messages_name_the_field_and_the_rule(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Everything.parse(values)


def test_a_browser_s_whole_floats_are_whole_numbers() -> None:
    assert Everything.parse({"max_new_tokens": 64.0}).max_new_tokens == 64


def test_private_text_is_not_repeated_in_messages() -> None:
    with pytest.raises(InputError) as caught:
        Everything.parse({"text": "my secret\x00"})
    assert "secret" not in str(caught.value)


def test_requests_are_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        Everything.parse({}).text = "other"  # type: ignore[misc]


@pytest.mark.parametrize("text", ["नमस्ते दुनिया", "สวัสดีครับ", "Tiếng Việt", "שָׁלוֹם", "e\u0301\u0302"])
def test_scripts_that_use_combining_marks_are_fine(text: str) -> None:
    assert Everything.parse({"text": text}).text == text
