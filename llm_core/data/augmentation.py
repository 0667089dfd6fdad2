"""More training texts from the same texts: words dropped, swapped or replaced, capitals, and round-trip translation.

Word dropout, swaps and synonyms are "easy data augmentation" (EDA, arXiv:1901.11196), back-translation is after
arXiv:1511.06709. Each has its own rate, 0 is off; so a recipe can switch each on and off and measure what it brings.

Only texts whose label holds for the text as a whole may be changed: classification, and the source side of
translation. Answer positions and entity tags would point at the wrong words: such rows are refused.
The module knows no model: the translator is a function that the caller gives.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_core.data.lexicon import Lexicon
from llm_core.data.loaders import Row
from llm_core.data.words import Range, word_ranges
from llm_core.errors import InputError

Translate = Callable[[Sequence[str]], list[str]]
"""Texts to the same texts put into another language and back."""
Share = Annotated[float, Field(ge=0, le=1)]


class Augmentation(BaseModel):
    """What a recipe may ask for; with every rate at 0 nothing is added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dropout: Share = 0.0
    """Chance of each word to be left out."""
    swaps: Share = 0.0
    """Pairs of words that change places, per word of the text."""
    synonyms: Share = 0.0
    """Chance of each word that has synonyms to be replaced by one."""
    capitals: Share = 0.0
    """Chance of a copy to be written in capital letters, as headings and notices are."""
    back_translation: Share = 0.0
    """Share of the copies that are round-trip translations (words are then left alone)."""
    copies: Annotated[int, Field(ge=1, le=16)] = 1
    """Changed copies of each row."""
    lexicon: str = "dictionary_zh_en"
    """Data set of the synonyms; see `lexicon`."""

    @property
    def enabled(self) -> bool:
        """Whether anything is added."""
        return any((self.dropout, self.swaps, self.synonyms, self.capitals, self.back_translation))


def augmented(
    rows: Sequence[Row],
    wanted: Augmentation,
    *,
    kind: Literal["classification", "translation"],
    field: str,
    seed: int,
    lexicon: Lexicon | None = None,
    translate: Translate | None = None,
) -> list[Row]:
    """Extra rows, to be added to `rows`: the same rows with another text. Copies that did not change are left out.

    Args:
        rows: Rows of the kind.
        wanted: What to do.
        kind: What the rows are for.
        field: The text to change: ``text``, or the source language's field.
        seed: Of all draws.
        lexicon: Needed for synonyms.
        translate: Needed for back-translation.

    Raises:
        InputError: The rows' labels stand at places in the text, `field` is not theirs, the lexicon or the translator
            is missing, or the translator gave another number of texts.
    """
    if not wanted.enabled:
        return []
    _check(rows, kind, field)
    if wanted.synonyms and lexicon is None:
        raise InputError("synonyms", "needs a lexicon")
    draw, words = random.Random(seed), lexicon or {}
    copies = [row for row in rows for _ in range(wanted.copies)]
    abroad = [draw.random() < wanted.back_translation for _ in copies]
    returned = iter(_there_and_back([row[field] for row, far in zip(copies, abroad, strict=True) if far], translate))
    texts = [
        next(returned) if far else changed(row[field], wanted, words, draw)
        for row, far in zip(copies, abroad, strict=True)
    ]
    return [
        {**row, field: text} for row, text in zip(copies, texts, strict=True) if text.strip() and text != row[field]
    ]


def _check(rows: Sequence[Row], kind: str, field: str) -> None:
    if kind not in ("classification", "translation"):
        raise InputError("kind", "only classification and translation rows can be augmented", kind)
    for number, row in enumerate(rows, start=1):
        if "answers" in row or "tags" in row:
            raise InputError("kind", f"row {number}: answers and tags stand at places that a changed text has not")
        if not isinstance(row.get(field), str):
            raise InputError(field, f"row {number}: must be a string", row.get(field))


def _there_and_back(texts: list[str], translate: Translate | None) -> list[str]:
    if not texts:
        return []
    if translate is None:
        raise InputError("back_translation", "needs a translator")
    returned = translate(texts)
    if len(returned) != len(texts):
        raise InputError("translate", f"must give {len(texts)} texts, one for each", len(returned))
    return returned


def changed(text: str, wanted: Augmentation, lexicon: Lexicon, draw: random.Random) -> str:
    """The text with synonyms, swaps, dropout and capitals applied, in this order; at least one word stays."""
    ranges = [span for span in word_ranges(text) if text[span[0]].isalnum()]
    words = [_synonym(text[a:b], wanted.synonyms, lexicon, draw) for a, b in ranges]
    for _ in range(_rounded(wanted.swaps * len(words), draw) if len(words) > 1 else 0):
        a, b = draw.sample(range(len(words)), 2)
        words[a], words[b] = words[b], words[a]
    kept: list[str | None] = [None if draw.random() < wanted.dropout else word for word in words]
    if words and not any(kept):
        place = draw.randrange(len(words))
        kept[place] = words[place]
    found = _rebuilt(text, ranges, kept)
    return found.upper() if wanted.capitals and draw.random() < wanted.capitals else found


def _rounded(value: float, draw: random.Random) -> int:
    """A whole number with `value` as its mean."""
    return int(value + draw.random())


def _synonym(word: str, rate: float, lexicon: Lexicon, draw: random.Random) -> str:
    known = lexicon.get(word.lower(), ())
    if not known or draw.random() >= rate:
        return word
    found = draw.choice(known)
    return found.capitalize() if word[0].isupper() and found[0].islower() else found


def _rebuilt(text: str, ranges: Sequence[Range], words: Sequence[str | None]) -> str:
    """The text with other words at the same places; a word left out takes the blank before it along."""
    parts, done = [], 0
    for (first, last), word in zip(ranges, words, strict=True):
        gap = text[done:first]
        parts.append(gap + word if word is not None else gap.rstrip(" "))
        done = last
    return ("".join(parts) + text[done:]).lstrip(" ")
