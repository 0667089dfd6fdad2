"""Changed texts say the same; baselines learn what there is to learn."""

from __future__ import annotations

import random

import pytest

from llm_core.data.words import is_chinese
from llm_core.evaluation.baselines import BASELINES
from llm_core.evaluation.robustness import CHANGES, OF_WORDS, changed, negation_pairs, with_typos


@pytest.mark.parametrize("name", CHANGES)
def test_labels_and_places_stay(name: str) -> None:
    rows = [{"text": f"Number {i}: what a Splendid evening it was, 今天的天气真好", "label": str(i)} for i in range(40)]
    found = changed(rows, name)
    assert [row["label"] for row in found] == [row["label"] for row in rows]
    assert [row["text"] for row in found] != [row["text"] for row in rows] and changed(rows, name) == found


@pytest.mark.parametrize("name", OF_WORDS)
def test_tags_stay_with_their_words(name: str) -> None:
    words, tags = ["Ada", "went", "to", "Oxfordshire", "."] * 20, ["B-PER", "O", "O", "B-LOC", "O"] * 20
    (row,) = changed([{"tokens": words, "tags": tags}], name)
    assert len(row["tokens"]) == 100 and all(row["tokens"]) and row["tags"] == tags
    assert row["tokens"] != words and row["tokens"][4] == "."


def test_a_slip_is_small_and_rare() -> None:
    text = "remarkable " * 1000
    words = with_typos(text, random.Random(0)).split()
    slips = [word for word in words if word != "remarkable"]
    assert 60 < len(slips) < 140 and {len(word) for word in slips} <= {9, 10, 11}
    assert with_typos("it is so", random.Random(0)) == "it is so"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_negation_turns_praise_round(language: str) -> None:
    pairs = negation_pairs(language)
    assert len(pairs) == 10 and len({text for pair in pairs for text in pair}) == 20
    for praise, blame in pairs:
        assert (" not " in blame or "不" in blame) and " not " not in praise and "不" not in praise
        assert is_chinese(praise) == (language == "zh") and "{" not in praise + blame


@pytest.mark.parametrize(("good", "bad"), [("a good day", "a bad day"), ("天气很好", "天气很坏")])
def test_baselines_learn(good: str, bad: str) -> None:
    texts, labels = [good, bad, f"{good}!", f"{bad}!", f"{good}?"], ["+", "-", "+", "-", "+"]
    assert BASELINES["majority"](texts, labels, [bad, good]) == ["+", "+"]
    for name in ("tfidf", "ngrams"):
        assert BASELINES[name](texts, labels, [bad, good]) == ["-", "+"]
