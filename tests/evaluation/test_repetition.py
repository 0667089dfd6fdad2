"""Loops and variety of generated texts."""

from __future__ import annotations

import pytest

from llm_core.evaluation.repetition import loops, repetition_scores


@pytest.mark.parametrize(
    "text",
    [
        "She looked at the sea. Then she left. She looked at the sea. He came. She looked at the sea.",
        "the very the very the very the very end",
        "I like it a lot\nI like it a lot\nI like it a lot",
        "哈哈你好哈哈你好哈哈你好哈哈你好",
    ],
)
def test_a_loop(text: str) -> None:
    assert loops(text)


@pytest.mark.parametrize(
    "text",
    [
        "She looked at the sea. Then she left. She looked at the sea.",
        "Yes. Yes. Yes. She knew it.",
        "A line\n----------\nanother one ......... and the end",
        "1. Mix it. 2. Bake it. 3. Eat it.",
    ],
)
def test_no_loop(text: str) -> None:
    assert not loops(text)


def test_figures() -> None:
    measured = repetition_scores(["a b a b", "one two three four"])
    assert measured["no_loop"].value == 1 and measured["no_loop"].rows == 2
    assert measured["distinct_2"].value == pytest.approx((2 + 3) / (3 + 3))
    assert measured["distinct_3"].value == pytest.approx((2 + 2) / (2 + 2))
