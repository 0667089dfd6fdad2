"""Sentence pairs: rows of several languages as (source, target) pairs, and which pairs are worth learning from.

A row's language field holds a text, or a list of wordings as a dictionary does (``{"zh": "笨", "en": ["stupid",
"foolish"]}``): each wording is learned as a source, the first alone as a target.

Cleaning drops a pair by rule, one reason each, counted in `Cleaner.dropped`. Lengths are compared in UTF-8 bytes: in
that unit a sentence and its translation are about equally long, in Chinese as well as in German.
The module knows no tokens and no model.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from llm_core.data.files import Row
from llm_core.data.lexicon import ASIDE
from llm_core.data.words import is_chinese

ALLOWANCE = 20
"""Bytes added to both sides before they are compared, so that short texts may differ more."""

_BRACKETS = {"(": ")", "[": "]", "{": "}", "（": "）"}


class Cleaning(BaseModel):
    """Which pairs a recipe drops; every rule can be switched off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    length_ratio: Annotated[float, Field(gt=1)] | None = 2.5
    """Most UTF-8 bytes of one side for each of the other."""
    right_script: bool = True
    """Chinese is written in Chinese characters, other languages without them; neither side is a copy of the other."""
    closed_brackets: bool = True
    """A bracket that stays open in one side alone is left over from markup, or cut off."""
    distinct: bool = True
    """A pair that came before in the data set, but for case, blanks and punctuation, is dropped."""


class Cleaner:
    """Decides pair by pair; made anew for each pass over a data set."""

    def __init__(self, wanted: Cleaning) -> None:
        self.wanted = wanted
        self.dropped: Counter[str] = Counter()
        """Pairs dropped, by the name of the rule."""
        self._seen: set[int] = set()

    def keeps(self, row: Row) -> bool:
        """Whether the pair (``source, target, direction``) stays."""
        reason = self._reason(row["source"], row["target"], row["direction"])
        if reason is not None:
            self.dropped[reason] += 1
        return reason is None

    def _reason(self, source: str, target: str, direction: str) -> str | None:
        wanted, languages = self.wanted, direction.split("-")
        plain = _plain(source), _plain(target)
        if not all(plain):
            return "empty"
        if wanted.length_ratio is not None and _ratio(source, target) > wanted.length_ratio:
            return "length_ratio"
        if wanted.right_script and not _right_scripts(plain, languages):
            return "right_script"
        if wanted.closed_brackets and _closed(source) != _closed(target):
            return "closed_brackets"
        mark = hash((direction, *plain))
        if wanted.distinct and mark in self._seen:
            return "distinct"
        self._seen.add(mark)
        return None


def pairs(row: Row, direction: str) -> Iterator[Row]:
    """The row's pairs in one direction, such as ``"en-zh"``, as ``source, target, direction``."""
    source, target = direction.split("-")
    wordings = _wordings(row[target])
    for text in _wordings(row[source]):
        if wordings:
            yield {"source": text, "target": wordings[0], "direction": direction}


def _wordings(value: str | Sequence[str]) -> list[str]:
    """A text as it is; of a dictionary's list the wordings without asides such as "(idiom)"."""
    if isinstance(value, str):
        return [value]
    return [plain for plain in (ASIDE.sub(" ", wording).strip() for wording in value) if plain]


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def _ratio(first: str, second: str) -> float:
    short, long = sorted((len(first.encode()) + ALLOWANCE, len(second.encode()) + ALLOWANCE))
    return long / short


def _right_scripts(plain: Sequence[str], languages: Sequence[str]) -> bool:
    if plain[0] == plain[1]:
        return False
    return all(is_chinese(text) == (language == "zh") for text, language in zip(plain, languages, strict=True))


def _closed(text: str) -> bool:
    """Whether each bracket that opens closes in its order, and none closes that is not open."""
    waiting: list[str] = []
    for character in text:
        if character in _BRACKETS:
            waiting.append(_BRACKETS[character])
        elif character in _BRACKETS.values() and (not waiting or waiting.pop() != character):
            return False
    return not waiting
