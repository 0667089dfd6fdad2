"""Which words of a translation stand for which words of its source, by the model's cross-attention.

Pieces are joined to words where letters of an alphabet touch; Chinese stays as the tokenizer cut it. A word of the
translation is linked to the source word that it looked at most (Garg et al. 2019, arXiv:1909.02074). The links are what
the model looked at, not a dictionary: they are wrong now and then.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_core.backends.base import Attention, Hypothesis

Span = tuple[int, int]
"""Characters ``start:end`` of a text."""
_DENSE = 0.5
"""Least share of the words in a projected span that are linked to the span it was projected from."""


@dataclass(frozen=True, slots=True)
class WordLinks:
    """Words and how they look at each other."""

    source: tuple[Span, ...]
    """The S words of the source."""
    target: tuple[Span, ...]
    """The T words of the translation."""
    weights: NDArray[np.float32]
    """Shape (T, S)."""

    def best(self, number: int) -> int | None:
        """The source word that target word `number` looked at most; ``None`` if at none."""
        row = self.weights[number]
        return int(row.argmax()) if row.size and row.max() > 0 else None


def word_links(source: str, target: str, attention: Attention) -> WordLinks:
    """Attention between words: summed over the pieces of a source word, averaged over those of a target word.

    Args:
        source: What the model got.
        target: What it wrote.
        attention: Between their pieces.
    """
    columns, rows = _words(source, attention.source), _words(target, attention.target)
    weights = np.zeros((len(rows), len(columns)), dtype=np.float32)
    for t, target_pieces in enumerate(rows):
        read = attention.weights[target_pieces].mean(axis=0)
        for s, source_pieces in enumerate(columns):
            weights[t, s] = read[source_pieces].sum()
    return WordLinks(_spans(columns, attention.source), _spans(rows, attention.target), weights)


def projected(span: Span, length: int, hypothesis: Hypothesis) -> Span | None:
    """Where the source characters `span` went in a translation.

    Args:
        span: Characters of what the model got.
        length: How many characters that has.
        hypothesis: The translation, with attention.

    Returns:
        Characters of the translation; ``None`` if no words, or scattered ones, look at the span.
    """
    if span == (0, length):
        return 0, len(hypothesis.text)
    attention = hypothesis.attention
    if attention is None:
        return None
    at = [s for s, (start, end) in enumerate(attention.source) if start < span[1] and span[0] < end]
    real = [t for t, (start, end) in enumerate(attention.target) if start < end]
    linked = [t for t in real if attention.source and int(attention.weights[t].argmax()) in at]
    if not linked:
        return None
    within = [t for t in real if linked[0] <= t <= linked[-1]]
    if len(linked) < _DENSE * len(within):
        return None
    return _whole_words(hypothesis.text, (attention.target[linked[0]][0], attention.target[linked[-1]][1]))


def replaced(hypothesis: Hypothesis, span: Span, new: str) -> Hypothesis:
    """The hypothesis with other words at `span`; its probability is that of the old ones."""
    start, end = span
    shift = len(new) - (end - start)
    text = hypothesis.text[:start] + new + hypothesis.text[end:]
    attention = hypothesis.attention
    if attention is not None:
        spans = tuple(_moved(piece, span, shift) for piece in attention.target)
        attention = Attention(attention.weights, attention.source, spans)
    return Hypothesis(text, hypothesis.log_probability, attention)


def _moved(piece: Span, span: Span, shift: int) -> Span:
    if piece[1] <= span[0]:
        return piece
    if piece[0] >= span[1]:
        return piece[0] + shift, piece[1] + shift
    return min(piece[0], span[0]), max(piece[1], span[1]) + shift


def _words(text: str, pieces: Sequence[Span]) -> list[list[int]]:
    """Numbers of the pieces that make up each word."""
    words: list[list[int]] = []
    for number, (start, end) in enumerate(pieces):
        if start == end:
            continue
        last = pieces[words[-1][-1]] if words else (0, 0)
        if words and (start < last[1] or (start == last[1] and _joins(text, start))):
            words[-1].append(number)
        else:
            words.append([number])
    return words


def _joins(text: str, place: int) -> bool:
    """Whether a word of letters or digits goes on at `place`; Chinese characters are not joined."""
    return 0 < place < len(text) and _is_letter(text[place - 1]) and _is_letter(text[place])


def _is_letter(character: str) -> bool:
    return character.isalnum() and unicodedata.east_asian_width(character) not in "WF"


def _whole_words(text: str, span: Span) -> Span:
    start, end = span
    while _joins(text, start):
        start -= 1
    while _joins(text, end):
        end += 1
    return start, end


def _spans(words: Sequence[Sequence[int]], pieces: Sequence[Span]) -> tuple[Span, ...]:
    return tuple((min(pieces[n][0] for n in word), max(pieces[n][1] for n in word)) for word in words)
