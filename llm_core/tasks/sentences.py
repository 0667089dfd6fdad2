"""Sentences and windows of a text, as exact character ranges; English and Chinese.

Sentence ends are found by `sentencex`. Lengths are counted in units, one for a letter and four for a Chinese
character or the like, so that a window of 4 n units holds about n tokens in either language. The module knows nothing
of models.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import sentencex

from llm_core.tasks.language import is_chinese

UNITS_PER_WIDE_CHARACTER = 4
_IN_A_NAME = re.compile(r"\w\.\w", re.ASCII)
"""A full stop that ends nothing: ``io.TextIOBase``."""


class Range(NamedTuple):
    """Characters ``start:end`` of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """The characters themselves."""
        return text[self.start : self.end]


def units(text: str) -> int:
    """Length of a text in units; see the module's docstring."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + (UNITS_PER_WIDE_CHARACTER - 1) * wide


def split_sentences(text: str) -> list[Range]:
    """Ranges of the sentences, without the blanks around them; what is blank belongs to none."""
    language = "zh" if is_chinese(text) else "en"
    boundaries = sentencex.get_sentence_boundaries(language, text)
    spans: list[Range] = []
    for boundary in boundaries:
        start, end = boundary["start_index"], boundary["end_index"]
        if spans and _IN_A_NAME.match(text, start - 2):
            start = spans.pop().start
        spans.append(Range(start, end))
    return [line for span in spans for line in _lines(text, span)]


def _lines(text: str, span: Range) -> Iterator[Range]:
    """The sentence, or the lines of it when it holds a blank line or list items: headings have no full stop."""
    start = span.start
    for line in span.of(text).splitlines(keepends=True) if _is_list(span.of(text)) else [span.of(text)]:
        stripped = line.strip()
        if stripped:
            first = start + len(line) - len(line.lstrip())
            yield Range(first, first + len(stripped))
        start += len(line)


def _is_list(text: str) -> bool:
    lines = [line.strip() for line in text.strip().splitlines()]
    return len(lines) > 1 and any(not line or line[0] in "-*•#>" for line in lines)


def split_windows(text: str, max_units: int, overlap_units: int = 0) -> list[Range]:
    """Ranges that cover all sentences, each at most `max_units` long, cut between sentences where possible.

    Args:
        text: The text; one that is short enough gives one window.
        max_units: Longest window.
        overlap_units: Whole sentences of up to this length are repeated at the start of the next window.
    """
    pieces = [piece for sentence in split_sentences(text) for piece in _pieces(text, sentence, max_units)]
    if not pieces or units(text) <= max_units:
        return [Range(pieces[0].start, pieces[-1].end)] if pieces else []
    windows: list[Range] = []
    first = 0
    while first < len(pieces):
        last = first
        while last + 1 < len(pieces) and units(text[pieces[first].start : pieces[last + 1].end]) <= max_units:
            last += 1
        windows.append(Range(pieces[first].start, pieces[last].end))
        if last + 1 == len(pieces):
            break
        first = _overlap_start(text, pieces, first, last, overlap_units, max_units)
    return windows


def _overlap_start(text: str, pieces: list[Range], first: int, last: int, overlap_units: int, max_units: int) -> int:
    """Index of the piece that the next window starts with: after `first`, at most one past `last`.

    The overlap leaves room for the piece after `last`, or the next window would end where this one does.
    """
    start = last + 1
    while (
        start - 1 > first
        and units(text[pieces[start - 1].start : pieces[last].end]) <= overlap_units
        and units(text[pieces[start - 1].start : pieces[last + 1].end]) <= max_units
    ):
        start -= 1
    return start


def _pieces(text: str, sentence: Range, max_units: int) -> Iterator[Range]:
    """The sentence, or parts of one that is too long, cut at blanks where there are any."""
    start = sentence.start
    while units(text[start : sentence.end]) > max_units:
        cut = _longest_prefix(text, start, sentence.end, max_units)
        blank = text.rfind(" ", start + (cut - start) // 2, cut)
        cut = blank + 1 if blank > start else cut
        yield Range(start, cut)
        start = cut
    if start < sentence.end:
        yield Range(start, sentence.end)


def _longest_prefix(text: str, start: int, end: int, max_units: int) -> int:
    """End of the longest prefix of ``start:end`` that is at most `max_units` long; at least one character."""
    low, high = start + 1, end
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if units(text[start:middle]) <= max_units else (low, middle - 1)
    return low
