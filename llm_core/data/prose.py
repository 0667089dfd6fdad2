"""Prose as one reads it, from files that were made for terminals and for counting words.

Project Gutenberg breaks lines at 70 columns and puts ``_`` around words in italics; WikiText writes ``<unk>`` for a
rare word. A language model would learn to write all three.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BROKEN_LINE = re.compile(r"(?<=\S)[ \t]*\n[ \t]*(?=\S)")
_ITALICS = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_WITH_UNKNOWN = re.compile(r"[^.!?\n]*<unk>[^.!?\n]*(?:[.!?]+[\"'”’)]*|(?=\n)|$)")
_EMPTY_LINES = re.compile(r"\n{3,}")


def paragraphs_of(row: Mapping[str, Any]) -> str:
    """The row's ``text``: one line a paragraph with an empty line between, no marks of italics, and without the
    sentences in which a word is unknown."""
    known = _WITH_UNKNOWN.sub("", row["text"].replace("\r\n", "\n"))
    lines = "\n".join(line.strip() for line in _ITALICS.sub("", known).split("\n"))
    return _EMPTY_LINES.sub("\n\n", _BROKEN_LINE.sub(" ", lines)).strip()
