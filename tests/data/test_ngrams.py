"""n-grams: the same words have the same row wherever they stand; their values are given out whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llm_core.data.ngrams import ngram_rows, shares_of_words

WORDS = st.lists(st.sampled_from("北京大学在中国"), max_size=12)


@given(before=WORDS, words=st.lists(st.sampled_from("上海人"), min_size=1, max_size=5), after=WORDS)
def test_an_ngram_has_one_row_in_all_sentences(before: list[str], words: list[str], after: list[str]) -> None:
    rows = ngram_rows([*before, *words, *after], 5, 1000)
    assert rows.shape == (len(before) + len(words) + len(after), 5)
    assert ((0 <= rows) & (rows < 1000)).all()
    order = len(words) - 1
    assert rows[len(before), order] == ngram_rows([*words, "。"], 5, 1000)[0, order]


def test_words_are_kept_apart_and_the_end_counts() -> None:
    rows = 2**30
    assert ngram_rows(["ab", "c"], 2, rows)[0, 1] != ngram_rows(["a", "bc"], 2, rows)[0, 1]
    inside, last = ngram_rows(["京", "在", "京"], 2, rows)[[0, 2]]
    assert inside[0] == last[0] and inside[1] != last[1]
    assert ngram_rows([], 3, rows).shape == (0, 3)


def test_rows_do_not_change_between_versions() -> None:
    """Tables that shipped are read by them."""
    assert ngram_rows(["北", "京"], 2, 2**17).tolist() == [[72441, 126761], [2207, 36005]]


@given(words=st.integers(0, 8), orders=st.integers(1, 5), seed=st.integers(0, 99))
def test_shares_add_up(words: int, orders: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(words, orders)).astype(np.float32)
    assert np.isclose(shares_of_words(values).sum(), values.sum(), atol=1e-4)


def test_an_ngram_is_shared_by_its_words() -> None:
    values = np.zeros((4, 3), dtype=np.float32)
    values[1, 2], values[3, 2] = 3, 5  # the second reaches behind the sentence
    assert shares_of_words(values).tolist() == [0, 1, 1, 6]
