"""Words of a passage that its question has, too."""

from __future__ import annotations

from typing import Any

import pytest

from llm_core.data.question_answering import make_windows
from llm_core.data.shared_words import Marks, shared_words


def shown(text: str, marks: Marks) -> str:
    return "".join(character if mark else "·" for character, mark in zip(text, marks, strict=True))


@pytest.mark.parametrize(
    ("question", "passage", "told"),
    [
        ("长江有多长？", "黄河长，长江更长。", "····长江···"),
        ("他是谁", "是他", "··"),
        ("苏轼在1037年做了什么", "1037年，苏轼出生", "1037年·苏轼··"),
        ("Where is Rome?", "rome, it is said, was", "rome·····is··········"),
        ("什么？。", "是什么？。", "·什么··"),
        ("", "是", "·"),
        ("是", "", ""),
    ],
)
def test_two_neighbours_in_chinese_else_whole_words(question: str, passage: str, told: str) -> None:
    assert shown(passage, shared_words(question, passage)) == told


def test_token_types_tell_them(tokenizer: Any) -> None:
    row = {"question": "the bad cat?", "context": "good bad"}
    (plain,), (marked,) = (make_windows(tokenizer, [row], 96, 24, mark_shared_words=marked) for marked in (False, True))
    assert marked.input_ids == plain.input_ids and marked.offsets == plain.offsets
    words = [
        tokenizer.decode([token]) for token, kind in zip(marked.input_ids, marked.token_type_ids, strict=True) if kind
    ]
    assert words == ["bad"], "the one in the passage"
    assert sum(plain.token_type_ids) > 2
