"""n-grams of words as rows of a table that is far smaller than the number of n-grams: the hashing trick
(Weinberger et al. 2009, arXiv:0902.2206). Which n-grams share a row is left to chance, and a model learns around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

_APART = "\x1f"
"""Between the words of an n-gram: in no text."""


def ngram_rows(words: Sequence[str], orders: int, rows: int) -> npt.NDArray[np.int64]:
    """(words, orders): the rows of the n-grams that begin at each word, n = 1, …, `orders`.

    Behind the last word comes the end of the sentence, which is a word of its own.

    Args:
        words: Of one sentence.
        orders: Words of the longest n-gram.
        rows: Of the table.
    """
    ended = [*words, *[""] * (orders - 1)]
    found = [
        [crc32(_APART.join(ended[first : first + order]).encode()) % rows for order in range(1, orders + 1)]
        for first in range(len(words))
    ]
    return np.array(found, dtype=np.int64).reshape(len(words), orders)


def shares_of_words(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(words,): what words have of the values of their n-grams, of which each is split evenly.

    Args:
        values: (words, orders), of the n-grams that begin at each word.
    """
    found = np.zeros(len(values), dtype=np.float32)
    for first, own in enumerate(values):
        for order, value in enumerate(own, start=1):
            words = found[first : first + order]
            words += value / len(words)
    return found
