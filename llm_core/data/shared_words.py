"""Which words of a passage its question has, too: what a small encoder does not learn to compare by itself.

The marks take the place of the two segments' token types, as an exact-match feature does for each word in DrQA
(Chen et al. 2017, arXiv:1704.00051). Of Chinese, whose single characters stand everywhere, two neighbours must be
shared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_core.data.words import Range, character_ranges, is_chinese

Marks = NDArray[np.bool_]


def shared_words(question: str, passage: str) -> Marks:
    """Per character of the passage, whether it is of a word that the question has, too."""
    asked = [question[start:end].casefold() for start, end in character_ranges(question)]
    alone = {word for word in asked if word.isalnum() and not is_chinese(word)}
    pairs = {pair for pair in zip(asked, asked[1:], strict=False) if all(map(str.isalnum, pair))}
    marks = np.zeros(len(passage), dtype=np.bool_)
    before, last = "", (0, 0)
    for start, end in character_ranges(passage):
        word = passage[start:end].casefold()
        if word in alone:
            marks[start:end] = True
        if (before, word) in pairs:
            marks[slice(*last)] = marks[start:end] = True
        before, last = word, (start, end)
    return marks


def token_marks(offsets: Sequence[Range], marks: Marks) -> list[int]:
    """1 for tokens of a shared word; those whose offsets are negative are not of the passage."""
    return [int(start >= 0 and bool(marks[start:end].any())) for start, end in offsets]
