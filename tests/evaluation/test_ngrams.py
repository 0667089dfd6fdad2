"""The n-gram baseline against values worked out by hand, and as a probability."""

from __future__ import annotations

import math
import random

import pytest

from llm_core.evaluation.ngrams import _NgramModel, ngram_likelihoods


def test_bigrams_by_hand() -> None:
    [found] = ngram_likelihoods(["ab", "ab"], ["ab"], order=2)
    # three characters follow one context each (a, b, the end); the uniform chance is 1 / (2 + 2)
    lower = (1 - 0.75 + 0.75 * 3 / 4) / 3
    step = (2 - 0.75 + 0.75 * 1 * lower) / 2
    assert found.nats == pytest.approx(-3 * math.log(step))
    assert found.tokens == 3 and found.bytes == 2


def test_probabilities_add_up_to_one() -> None:
    draw = random.Random(0)
    texts = ["".join(draw.choices("abcd", k=30)) for _ in range(20)]
    contexts = {"", "a", "ab", "abc", "abcd", "\x02\x02\x02a", "dddd"}
    asked = [{context[len(context) - n :] for context in contexts if len(context) >= n} for n in range(5)]
    model = _NgramModel(5, asked)
    for text in texts:
        model.count(text)
    for context in contexts:
        known = sum(model.probability(context, each) for each in "abcd\x03")
        assert known + model.probability(context, "never seen") == pytest.approx(1)


def test_longer_contexts_help_where_there_is_something_to_learn() -> None:
    texts = ["the cat sat on the mat. " * 3] * 5
    by_order = [next(ngram_likelihoods(texts, ["the cat sat on the mat."], order)).nats for order in (1, 2, 5)]
    assert by_order[0] > by_order[1] > by_order[2]
