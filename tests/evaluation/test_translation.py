"""BLEU and chrF with signatures and intervals; nothing is downloaded."""

from __future__ import annotations

import random

import pytest
from sacrebleu.metrics import BLEU, CHRF

from llm_core.errors import InputError
from llm_core.evaluation.translation import compare_translations, translation_scores

WORDS = "the cat sat on a green mat near an old house while rain fell over quiet hills".split()
CHINESE = "今天天气很好我们去公园散步吃水果看书"


def _sentences(words: list[str] | str, glue: str, count: int, noise: float) -> tuple[list[str], list[str]]:
    draw = random.Random(0)
    references = [[draw.choice(words) for _ in range(12)] for _ in range(count)]
    found = [[draw.choice(words) if draw.random() < noise else word for word in line] for line in references]
    return [glue.join(line) for line in found], [glue.join(line) for line in references]


def test_the_figures_are_sacrebleu_s() -> None:
    predicted, references = _sentences(WORDS, " ", 60, 0.3)
    scores = translation_scores(predicted, references, target="de")
    assert scores["bleu"].value == pytest.approx(BLEU().corpus_score(predicted, [references]).score)
    assert scores["chrf"].value == pytest.approx(CHRF().corpus_score(predicted, [references]).score)
    for name, estimate in scores.items():
        assert 0 < estimate.low < estimate.value < estimate.high < 100, name
        assert estimate.rows == 60 and "version:" in estimate.signature and "bs:1000" in estimate.signature
    assert "tok:13a" in scores["bleu"].signature


def test_chinese_is_counted_in_characters() -> None:
    predicted, references = _sentences(CHINESE, "", 40, 0.2)
    scores = translation_scores(predicted, references, target="zh")
    assert "tok:zh" in scores["bleu"].signature
    assert scores["bleu"].value > 20
    assert translation_scores(predicted, references, target="en")["bleu"].value < 1, "no blanks, no words"


def test_two_systems_are_compared() -> None:
    good, references = _sentences(WORDS, " ", 80, 0.2)
    bad, _ = _sentences(WORDS, " ", 80, 0.6)
    found = compare_translations(bad, good, references, target="en")
    assert found["bleu"].second > found["bleu"].first and found["bleu"].p_value < 0.01
    assert found["chrf"].second == pytest.approx(translation_scores(good, references, target="en")["chrf"].value)
    assert compare_translations(good, good, references, target="en")["chrf"].p_value > 0.05


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="at least one row"):
        translation_scores([], [], target="zh")
    with pytest.raises(InputError, match="one translation for each of 2 rows"):
        translation_scores(["a"], ["a", "b"], target="en")
