"""Stretches of a text, marked in it: the value of a `HighlightedText`."""

from __future__ import annotations

from collections.abc import Iterable


def marked(text: str, spans: Iterable[tuple[int, int, str]]) -> list[tuple[str, str | None]]:
    """The whole text in pieces: what is marked with its label, what lies between with none.

    Args:
        text: What the spans are of.
        spans: (first character, one past the last, label), from left to right.
    """
    pieces: list[tuple[str, str | None]] = []
    position = 0
    for start, end, label in spans:
        pieces += [(text[position:start], None), (text[start:end], label)]
        position = end
    return [piece for piece in [*pieces, (text[position:], None)] if piece[0]]
