"""Deletion and insertion curves: of a model whose reasons are known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from llm_core.errors import InputError
from llm_core.evaluation.faithfulness import MIN_WORDS, Shortened, Weighted, faithfulness, without

TEXTS = ["one two good four five six seven eight nine ten", "good " * 3 + "a b c d e f g"]


def words(text: str, weight: dict[str, float]) -> list[Weighted]:
    found, position = [], 0
    for word in text.split():
        start = text.index(word, position)
        position = start + len(word)
        found.append((start, position, weight.get(word, 0.0)))
    return found


def good(asked: Sequence[Shortened]) -> list[float]:
    """Goes by one word only."""
    return [0.9 if "good" in text.split() else 0.1 for _, text, _ in asked]


def test_true_reasons_beat_chance_and_false_ones_lose_to_it() -> None:
    true = faithfulness(TEXTS, [words(text, {"good": 1.0}) for text in TEXTS], good)
    false = faithfulness(TEXTS, [words(text, {"good": -1.0}) for text in TEXTS], good)
    assert true["deletion"].value == pytest.approx((0.9 + 9 * 0.1 + 3 * 0.9 + 7 * 0.1) / 20)
    assert true["insertion"].value == pytest.approx(0.9), "one word in is enough"
    assert true["deletion_gain"].value > 0 > false["deletion_gain"].value
    assert true["insertion_gain"].value > 0 > false["insertion_gain"].value
    assert true["deletion[random]"].value == false["deletion[random]"].value, "the random order is the same"
    assert true["deletion"].rows == len(TEXTS)


def test_each_text_is_asked_about_with_its_own_label() -> None:
    asked: list[Shortened] = []

    def remember(batch: Sequence[Shortened]) -> list[float]:
        asked.extend(batch)
        return [0.5] * len(batch)

    faithfulness(["too short", TEXTS[0]], [words("too short", {}), words(TEXTS[0], {})], remember)
    assert {number for number, *_ in asked} == {1}, f"fewer than {MIN_WORDS} words have no curve"
    assert asked[0] == (1, TEXTS[0], ()) and asked[19] == (1, TEXTS[0], ()), "curves begin and end with the whole text"
    assert all(text.strip() and text == without(TEXTS[0], gone) for _, text, gone in asked)


def test_nothing_to_measure() -> None:
    with pytest.raises(InputError, match="at least 5 words"):
        faithfulness(["a b"], [words("a b", {})], good)


def test_without() -> None:
    assert without("the good dog", [(4, 8)]) == "the  dog" and without("好的服务", [(0, 2), (2, 4)]) == ""
