"""Perplexity and bits per byte of models whose figures are known, and the sliding window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_core.errors import InputError
from llm_core.evaluation.language_model import TextLikelihood, language_model_scores, score_texts, windows


def _bytes(text: str) -> list[int]:
    return list(text.encode())


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary() -> None:
    uniform = lambda ids: [-math.log(256)] * (len(ids) - 1)  # noqa: E731
    parts = list(score_texts(["hello", "水果"], _bytes, uniform, start=0, window=4, stride=2))
    assert [(p.tokens, p.bytes) for p in parts] == [(5, 5), (6, 6)]
    scores = language_model_scores(parts)
    assert scores["perplexity"].value == pytest.approx(256)
    assert scores["bits_per_byte"].value == pytest.approx(8.0)
    assert scores["perplexity"].low == pytest.approx(256) and scores["perplexity"].rows == 2


def test_long_texts_count_more_than_short_ones() -> None:
    scores = language_model_scores([TextLikelihood(nats=10.0, tokens=10, bytes=40), TextLikelihood(0.5, 1, 4)])
    assert scores["perplexity"].value == pytest.approx(math.exp(10.5 / 11))
    assert scores["bits_per_byte"].value == pytest.approx(10.5 / 44 / math.log(2))
    assert scores["perplexity"].low == pytest.approx(math.exp(0.5))
    assert scores["perplexity"].high == pytest.approx(math.e)


@given(st.integers(1, 60), st.integers(2, 12), st.data())
def test_each_token_is_predicted_once_with_enough_context(length: int, window: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, window - 1))
    counted = []
    for first, last, known in windows(length, window, stride):
        assert first < known < last and last - first <= window
        assert first == 0 or known - first >= window - stride
        counted += range(known, last)
    assert counted == list(range(1, length))


def test_the_window_reads_what_the_model_may_see() -> None:
    seen: list[list[int]] = []

    def likelihoods(ids: Sequence[int]) -> list[float]:
        seen.append(list(ids))
        return [-float(token) for token in ids[1:]]

    [part] = score_texts([bytes(range(1, 8)).decode()], _bytes, likelihoods, start=0, window=4, stride=2)
    assert seen == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    assert part.nats == pytest.approx(sum(range(1, 8)))


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="stride: must be between 1 and 3"):
        list(score_texts(["a"], _bytes, lambda ids: [], start=0, window=4, stride=4))
    with pytest.raises(InputError, match="likelihoods: must give 1 values"):
        list(score_texts(["a"], _bytes, lambda ids: [0.0, 0.0], start=0, window=4, stride=2))
    with pytest.raises(InputError, match="not empty"):
        language_model_scores([TextLikelihood(0.0, 0, 0)])
