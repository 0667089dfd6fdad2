"""How Chinese characters sound: pinyin, level or oblique tone, and rhyme; and how well a poem keeps to them.

Modern readings by `pypinyin`, and the sixteen rhymes of 中华通韵 (2019). Tang and Song poets rhymed by the sounds of
their own time, so that not even their poems reach 100 % here. The module knows no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from pypinyin import Style, lazy_pinyin

from llm_core.data.verse_forms import Line

_RHYMES = {
    "a": "a ia ua", "o": "o uo", "e": "e ie ve ê", "i": "i", "u": "u", "ü": "v", "ai": "ai uai", "ei": "ei uei",
    "ao": "ao iao", "ou": "ou iou", "an": "an ian uan van", "en": "en in uen vn", "ang": "ang iang uang",
    "eng": "eng ing ueng", "ong": "ong iong", "er": "er",
}  # fmt: skip
_RHYME_OF = {final: rhyme for rhyme, finals in _RHYMES.items() for final in finals.split()}
_LEVEL_TONES = "12"
UNKNOWN = ""


class Sound(NamedTuple):
    """Of one character, in its context."""

    pinyin: str
    """With its tone mark, such as ``"guāng"``; empty when the dictionary lacks the character."""
    level: bool
    """平 (first and second tone); otherwise 仄."""
    rhyme: str
    """A key of the sixteen rhymes, such as ``"ang"``; empty when unknown."""


def sounds(characters: str) -> list[Sound]:
    """The sound of each character of a line without punctuation."""
    spoken = lazy_pinyin(characters, Style.TONE, errors=_silent)
    finals = lazy_pinyin(characters, Style.FINALS_TONE3, errors=_silent, neutral_tone_with_five=True)
    return [
        Sound(pinyin, final[-1:] in _LEVEL_TONES and bool(final), _RHYME_OF.get(final.rstrip("12345"), UNKNOWN))
        for pinyin, final in zip(spoken, finals, strict=True)
    ]


def _silent(unknown: str) -> Any:
    """A result for each character; pypinyin's types know of a single one only."""
    return [UNKNOWN] * len(unknown)


def rhyme_of(line: str) -> str:
    """The rhyme of a line's last character."""
    return sounds(line)[-1].rhyme


@cache
def rhyming_characters(rhyme: str, *, level: bool | None = None) -> str:
    """The common characters (GB 2312) with a rhyme, of one kind of tone or of both."""
    places = ((0xA1 + row, 0xA1 + cell) for row in range(15, 87) for cell in range(94))
    common = b"".join(bytes(place) for place in places).decode("gb2312", "ignore")
    return "".join(
        character
        for character in common
        for sound in sounds(character)
        if sound.rhyme == rhyme and level in (None, sound.level)
    )


def rhymes_kept(texts: Sequence[str], lines: Sequence[Line]) -> tuple[int, int]:
    """Lines that rhyme as they should, and how many there are.

    Of the lines that share a rhyme the first one sets it, so that two rhyming lines can be right once. The rhyme is the
    one that most of them have.

    Args:
        texts: A poem's lines.
        lines: Of its form.
    """
    right = possible = 0
    for label in {line.rhyme for line in lines if line.rhyme}:
        found = [rhyme_of(text) for text, line in zip(texts, lines, strict=True) if line.rhyme == label and text]
        counted = Counter(rhyme for rhyme in found if rhyme)
        possible += max(0, len(found) - 1)
        right += max(0, max(counted.values(), default=1) - 1)
    return right, possible


def tones_kept(texts: Sequence[str]) -> tuple[int, int]:
    """How many of the rules of regulated verse a poem keeps, and how many there are.

    Second, fourth and sixth characters alternate between level and oblique; the lines of a couplet begin opposite
    (对) and couplets are joined by like tones (粘), both told from the second character; rhyming lines end level,
    others oblique; the first line may rhyme or not.

    Args:
        texts: An even number of lines of five or seven characters; a poem that is not finished has fewer.
    """
    levels = [[sound.level for sound in sounds(text)] for text in texts]
    rules = [line[a] != line[a + 2] for line in levels for a in range(1, len(line) - 3, 2)]
    for place, line in enumerate(levels):
        if place % 2:
            rules += [line[1] != levels[place - 1][1], line[-1]]
        elif place:
            rules += [line[1] == levels[place - 1][1], not line[-1]]
    return sum(rules), len(rules)
