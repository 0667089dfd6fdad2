"""A sentence as the model gets it, and back: what must survive becomes ``{0}``, ``{1}``, …; marks around words are
left out and put where the attention says these words went.

The model is not trusted: when a placeholder did not survive, or a pair of marks has no place, `Protected.restored`
gives nothing, and the sentence is translated piece by piece around what is protected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_core.backends.base import Hypothesis
from llm_core.tasks.translate.alignment import Span, projected
from llm_core.tasks.translate.marks import Mark

_PLACEHOLDER = re.compile(r"[{｛]\s*(\d+)\s*[}｝]")


@dataclass(frozen=True, slots=True)
class Pair:
    """Marks around characters ``start:end`` of what the model gets."""

    start: int
    end: int
    opening: str
    closing: str


@dataclass(frozen=True, slots=True)
class Restored:
    """A translation with everything back in it."""

    text: str
    places: tuple[Span, ...]
    """For each character of the hypothesis the characters ``start:end`` of `text` that stand for it."""


@dataclass(frozen=True, slots=True)
class Protected:
    """A sentence ready for the model."""

    plain: str
    """What the model gets."""
    places: tuple[Span, ...]
    """For each character of `plain` the characters ``start:end`` of the sentence."""
    singles: tuple[str, ...]
    """What ``{0}``, ``{1}``, … stand for."""
    pairs: tuple[Pair, ...]
    pieces: tuple[str, ...]
    """The sentence cut at its marks: text, mark, text, …, text; texts may be empty."""

    def restored(self, hypothesis: Hypothesis) -> Restored | None:
        """The translation with all marks back in place; ``None`` if one of them has none."""
        if hypothesis.text == self.plain:
            return Restored("".join(self.pieces), self.places)
        found = list(_PLACEHOLDER.finditer(hypothesis.text)) if self.singles else []
        if sorted(int(place[1]) for place in found) != list(range(len(self.singles))):
            return None
        edits = [(place.start(), place.end(), self.singles[int(place[1])]) for place in found]
        spans: list[Span] = []
        for pair in self.pairs:
            span = projected((pair.start, pair.end), len(self.plain), hypothesis)
            if span is None:
                return None
            spans.append(_widened(span, [place.span() for place in found]))
        if not _are_nested(spans, self.pairs):
            return None
        return _edited(hypothesis.text, edits, list(zip(spans, self.pairs, strict=True)))


def protect(sentence: str, marks: Sequence[Mark]) -> Protected:
    """Prepare a sentence.

    Args:
        sentence: Its text.
        marks: In it, in order, with positions in `sentence`; a partner that is not among them does not count.
    """
    known = {id(mark) for mark in marks}
    plain, cursor = "", 0
    places: list[Span] = []
    singles: list[str] = []
    opened: list[tuple[Mark, int]] = []
    pairs: list[Pair] = []
    pieces: list[str] = []
    for mark in marks:
        pieces += [sentence[cursor : mark.start], sentence[mark.start : mark.end]]
        plain += sentence[cursor : mark.start]
        places += [(place, place + 1) for place in range(cursor, mark.start)]
        cursor = mark.end
        if mark.partner is None or id(mark.partner) not in known:
            name = f"{{{len(singles)}}}"
            plain += name
            places += [(mark.start, mark.end)] * len(name)
            singles.append(pieces[-1])
        elif mark.opens:
            opened.append((mark, len(plain)))
        else:
            opening, start = opened.pop()
            pairs.append(Pair(start, len(plain), sentence[opening.start : opening.end], pieces[-1]))
    pieces.append(sentence[cursor:])
    plain += pieces[-1]
    places += [(place, place + 1) for place in range(cursor, len(sentence))]
    return Protected(plain, tuple(places), tuple(singles), tuple(reversed(pairs)), tuple(pieces))


def _widened(span: Span, placeholders: Sequence[Span]) -> Span:
    """The span, with the whole of each placeholder that it cuts."""
    for start, end in placeholders:
        if start < span[1] and span[0] < end:
            span = min(span[0], start), max(span[1], end)
    return span


def _are_nested(spans: Sequence[Span], pairs: Sequence[Pair]) -> bool:
    """Whether spans are inside or outside of each other just as the pairs are (outer ones come first)."""
    for number, (start, end) in enumerate(spans):
        for other in range(number):
            outside = end <= spans[other][0] or spans[other][1] <= start
            inside = spans[other][0] <= start and end <= spans[other][1]
            was_inside = pairs[other].start <= pairs[number].start and pairs[number].end <= pairs[other].end
            if not (inside if was_inside else outside):
                return False
    return True


def _edited(text: str, edits: Sequence[tuple[int, int, str]], marked: Sequence[tuple[Span, Pair]]) -> Restored:
    """`text` with ranges replaced and marks put around spans."""
    whole, places = "", []
    replaced = {start: (end, new) for start, end, new in edits}
    cursor = 0
    while cursor <= len(text):
        # At one place what closes comes first, inner marks before outer ones; then what opens, outer ones first.
        whole += "".join(pair.closing for span, pair in reversed(marked) if span[1] == cursor)
        whole += "".join(pair.opening for span, pair in marked if span[0] == cursor)
        if cursor == len(text):
            break
        end, new = replaced.get(cursor, (cursor + 1, text[cursor]))
        places += [(len(whole), len(whole) + len(new))] * (end - cursor)
        whole += new
        cursor = end
    return Restored(whole, tuple(places))


def around(pieces: Sequence[str]) -> Iterator[tuple[int, str, str, str]]:
    """The texts among `Protected.pieces` that hold something to translate.

    Yields:
        Number of the piece, blanks before, text, blanks after.
    """
    for number in range(0, len(pieces), 2):
        text = pieces[number].strip()
        if any(map(str.isalpha, text)):
            start = pieces[number].index(text)
            yield number, pieces[number][:start], text, pieces[number][start + len(text) :]
