"""Which words of a passage its question has, too, and which sentences have most of them: what a small encoder does not
learn to compare by itself.

The marks take the place of the two segments' token types, as an exact-match feature does for each word in DrQA
(Chen et al. 2017, arXiv:1704.00051). Of Chinese, whose single characters stand everywhere, two neighbours must be
shared.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_core.data.words import CHINESE_STOPS, Range, character_ranges, is_chinese

Marks = NDArray[np.bool_]
_SENTENCE_END = re.compile(rf"[{CHINESE_STOPS}]|[.!?](?=\s)")


def shared_words(question: str, passage: str) -> Marks:
    """Per character of the passage, whether it is of a word that the question has, too."""
    asked = [question[start:end].casefold() for start, end in character_ranges(question)]
    alone = {word for word in asked if word.isalnum() and not is_chinese(word)}
    pairs = {pair for pair in itertools.pairwise(asked) if all(map(str.isalnum, pair))}
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


def sentence_overlap(question: str, passage: str) -> NDArray[np.float64]:
    """Per character of the passage, the share of the question's words that its sentence has, in [0, 1].

    Words count alone and in pairs of neighbours, each by its inverse document frequency, ``log(1 + sentences of the
    passage / those that have it)`` (Spärck Jones 1972); one that no sentence has counts as if one had it.
    """
    ends = [found.end() for found in _SENTENCE_END.finditer(passage)]
    sentences = [passage[start:end] for start, end in itertools.pairwise([0, *ends, len(passage)])]
    of_sentences = [_words_and_pairs(sentence) for sentence in sentences]
    frequency = Counter(word for words in of_sentences for word in words)
    weight = {word: math.log1p(len(sentences) / max(1, frequency[word])) for word in _words_and_pairs(question)}
    whole = math.fsum(weight.values()) or 1.0
    shares = [math.fsum(weight[word] for word in words & weight.keys()) / whole for words in of_sentences]
    return np.repeat(shares, [len(sentence) for sentence in sentences])


def _words_and_pairs(text: str) -> set[str | tuple[str, str]]:
    words = [text[start:end].casefold() for start, end in character_ranges(text)]
    alone = {word for word in words if word[0].isalnum()}
    return alone | {pair for pair in itertools.pairwise(words) if alone.issuperset(pair)}


def token_marks(offsets: Sequence[Range], marks: Marks) -> list[int]:
    """1 for tokens of a shared word; those whose offsets are negative are not of the passage."""
    return [int(start >= 0 and bool(marks[start:end].any())) for start, end in offsets]
