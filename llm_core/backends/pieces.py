"""Where the pieces of a subword tokenizer stand in the text they make up.

Tokenizers write a text in normal form (NFKC) with blanks as ``▁``; what a piece says is looked for from the end of the
piece before, character by character in that form. A piece that says nothing, or cannot be found, gets an empty range.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_REACH = 16
"""How many characters a piece may lie beyond the one before: tokenizers drop control characters and blanks."""


def piece_spans(text: str, pieces: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Characters ``start:end`` of `text` for each piece.

    Args:
        text: What the pieces were made from, or make up.
        pieces: In order; ``▁`` is a blank, ``<0xE4>`` a byte of a character that has no piece. Special tokens belong
            in as empty strings.
    """
    folded, origins = _folded(text)
    spans: list[tuple[int, int]] = []
    cursor = 0
    for piece in pieces:
        if byte := _BYTE.fullmatch(piece):
            if int(byte[1], 16) & 0xC0 != 0x80:  # starts a character; the bytes that continue it share its range
                cursor += 1
            spans.append((origins[min(max(cursor - 1, 0), len(folded))], origins[min(cursor, len(folded))]))
            continue
        said = _folded(piece.replace("▁", " ").strip())[0]
        place = folded.find(said, cursor, cursor + len(said) + _REACH) if said else -1
        if place < 0:
            spans.append((origins[min(cursor, len(folded))],) * 2)
            continue
        cursor = place + len(said)
        spans.append((origins[place], origins[cursor]))
    return tuple(spans)


def _folded(text: str) -> tuple[str, list[int]]:
    """The text in normal form, and for each of its characters, and its end, the place in the original."""
    forms = [unicodedata.normalize("NFKC", character).strip() or " " for character in text]
    origins = [place for place, form in enumerate(forms) for _ in form]
    return "".join(forms), [*origins, len(text)]
