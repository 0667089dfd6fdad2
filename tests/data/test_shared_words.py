"""Words of a passage that its question has, too."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from llm_core.data.question_answering import make_windows
from llm_core.data.shared_words import Marks, sentence_overlap, shared_words


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


@pytest.mark.parametrize(
    ("question", "passage", "best"),
    [
        ("鲁迅的小说叫什么？", "老舍生于北京。鲁迅的小说是《呐喊》。他在那里教书。", "鲁迅的小说是《呐喊》。"),
        ("Who wrote Emma?", "Emma is kind. Jane Austen wrote Emma. She died in 1817.", " Jane Austen wrote Emma."),
        ("WHO RAN?", "one who ran", "one who ran"),
    ],
)
def test_the_sentence_with_most_words_of_the_question(question: str, passage: str, best: str) -> None:
    shares = sentence_overlap(question, passage)
    assert len(shares) == len(passage) and 0 <= shares.min() and shares.max() <= 1
    assert "".join(c for c, share in zip(passage, shares, strict=True) if share == shares.max()) == best


def test_rare_words_tell_more_than_frequent_ones() -> None:
    shares = sentence_overlap("the cat", "the dog. the cow. a cat. the pig.")
    assert shares[20] > shares[0] == shares[10] > 0, "a cat"


@pytest.mark.parametrize(("question", "passage"), [("", "是。"), ("？", "是。"), ("是", ""), ("猫", "狗。")])
def test_nothing_in_common(question: str, passage: str) -> None:
    shares = sentence_overlap(question, passage)
    assert len(shares) == len(passage) and not shares.any()


def test_a_sentence_that_has_all_is_one() -> None:
    assert sentence_overlap("the cat ran", "no. The cat ran home.")[-1] == pytest.approx(1)


_SHARE = """
from llm_core.data.shared_words import sentence_overlap
words = [f"word{number}" for number in range(60)]
sentences = [", ".join(words[:count]) for count in range(60, 0, -1)]
print(sentence_overlap(", ".join((*words, "more")), ". ".join(sentences))[0].hex())
"""


def test_a_share_is_the_same_in_every_process() -> None:
    """Sets have another order in each, and sums another last bit, which decides between equal sentences."""
    shares = {
        subprocess.run(
            [sys.executable, "-c", _SHARE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in "123456"
    }
    assert len(shares) == 1
