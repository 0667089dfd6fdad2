"""The forms of Chinese verse that can be asked for: how many lines, how long, which of them rhyme.

Regulated verse (五绝, 七绝, 五律, 七律), and poems to well-known tunes (词), whose patterns are in ``tunes.toml``. The
module knows no model and no sounds.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

REGULATED = {"五绝": (4, 5), "七绝": (4, 7), "五律": (8, 5), "七律": (8, 7)}
"""Lines, and characters of a line."""
TUNE = "词"
"""The form that a model knows all tunes by."""
STOP, COMMA = "。", "，"
_TUNES = Path(__file__).with_name("tunes.toml")
_LINE = re.compile(r"(\d+)([a-z]?)([，、。])")


class Line(NamedTuple):
    """A line of a form."""

    length: int
    """In characters."""
    mark: str
    """The punctuation after it: ，、or 。"""
    rhyme: str = ""
    """Lines with the same letter rhyme; empty: with none."""


def fits(texts: Sequence[str], lines: Sequence[Line]) -> bool:
    """Whether there are as many texts as lines, each as long as its line."""
    return [len(text) for text in texts] == [line.length for line in lines]


@dataclass(frozen=True)
class VerseForm:
    """A form of verse."""

    name: str
    lines: tuple[Line, ...]
    regulated: bool
    """Whether the rules of tones are those of regulated verse."""

    @property
    def sentences(self) -> tuple[tuple[Line, ...], ...]:
        """The lines up to each full stop."""
        ends = [0, *(place for place, line in enumerate(self.lines, start=1) if line.mark == STOP)]
        return tuple(self.lines[a:b] for a, b in pairwise(ends))


@cache
def verse_forms() -> Mapping[str, VerseForm]:
    """All forms by name, regulated verse first."""
    tunes: dict[str, str] = tomllib.loads(_TUNES.read_text(encoding="utf-8"))
    regulated = {name: VerseForm(name, _couplets(*size), regulated=True) for name, size in REGULATED.items()}
    return regulated | {name: VerseForm(name, _lines(pattern), regulated=False) for name, pattern in tunes.items()}


def _couplets(count: int, length: int) -> tuple[Line, ...]:
    return (Line(length, COMMA), Line(length, STOP, "a")) * (count // 2)


def _lines(pattern: str) -> tuple[Line, ...]:
    return tuple(Line(int(length), mark, rhyme) for length, rhyme, mark in _LINE.findall(pattern))
