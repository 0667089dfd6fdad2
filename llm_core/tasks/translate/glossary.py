"""Terms that a visitor wants translated in a certain way, and whether a translation has them.

One entry a line: ``term ⇥ translation``, with a tab, ``⇥``, ``→`` or ``=>`` between the two. Where terms overlap, the
longest counts. Terms of letters are found as whole words and, unless they have capitals, in any case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from llm_core.backends.base import Hypothesis
from llm_core.limits import check_characters
from llm_core.tasks.translate.alignment import Span, projected, replaced

MAX_ENTRIES = 500
MAX_SIDE_CHARS = 100
_SEPARATOR = re.compile(r"\s*(?:\t|⇥|→|=>)\s*")


@dataclass(frozen=True, slots=True)
class Entry:
    """A term and its translation."""

    term: str
    translation: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An entry at characters ``start:end`` of a text."""

    entry: Entry
    start: int
    end: int


def parse_glossary(text: str) -> tuple[Entry, ...]:
    """Read a glossary; blank lines are skipped.

    Raises:
        ValueError: A line is no entry, has an empty or too long side, or repeats a term; names the line.
    """
    entries: dict[str, Entry] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        sides = [side.strip() for side in _SEPARATOR.split(line.strip("\r "))]
        if len(sides) != 2 or not all(sides):
            raise ValueError(f"line {number} must be a term, a tab (or =>), and its translation")
        if max(map(len, sides)) > MAX_SIDE_CHARS:
            raise ValueError(f"line {number} must have at most {MAX_SIDE_CHARS} characters on each side")
        entry = Entry(*sides)
        if entry.term in entries:
            raise ValueError(f"line {number} repeats the term {entry.term!r}")
        entries[entry.term] = entry
        if len(entries) > MAX_ENTRIES:
            raise ValueError(f"must have at most {MAX_ENTRIES} entries")
    return tuple(entries.values())


def _checked(text: str) -> str:
    parse_glossary(text)
    return check_characters(text)


GlossaryText = Annotated[str, Field(max_length=MAX_ENTRIES * (2 * MAX_SIDE_CHARS + 4)), AfterValidator(_checked)]


class Glossary:
    """Entries ready to be looked for.

    Args:
        entries: What `parse_glossary` gives.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        longest_first = sorted(entries, key=lambda entry: -len(entry.term))
        self._entries = {entry.term: entry for entry in entries}
        self._any_case = {entry.term.lower(): entry for entry in entries if entry.term == entry.term.lower()}
        terms = "|".join(_whole_words(re.escape(entry.term), entry.term) for entry in longest_first)
        self._pattern = re.compile(terms, re.IGNORECASE) if entries else None

    def occurrences(self, text: str) -> list[Occurrence]:
        """Where its terms occur, none overlapping another."""
        found: list[Occurrence] = []
        place = 0
        while self._pattern and (match := self._pattern.search(text, place)):
            entry = self._entries.get(match[0]) or self._any_case.get(match[0].lower())
            place = match.end() if entry else match.start() + 1
            if entry:
                found.append(Occurrence(entry, match.start(), match.end()))
        return found


def has_translation(entry: Entry, text: str) -> bool:
    """Whether a translation has what the entry asks for, in any case; a name that stays as it is keeps its capitals."""
    pattern = _whole_words(re.escape(entry.translation), entry.translation)
    is_name = entry.term == entry.translation != entry.term.lower()
    return re.search(pattern, text, 0 if is_name else re.IGNORECASE) is not None


def prefer(hypotheses: Sequence[Hypothesis], wanted: Sequence[Occurrence]) -> int:
    """Number of the hypothesis that has most entries, the likeliest of those."""
    entries = {occurrence.entry for occurrence in wanted}
    return max(range(len(hypotheses)), key=lambda n: (sum(has_translation(e, hypotheses[n].text) for e in entries), -n))


def enforce(hypothesis: Hypothesis, wanted: Sequence[Occurrence], length: int) -> Hypothesis:
    """The hypothesis with the words that stand for a term replaced by the entry's translation, where it lacks it.

    Args:
        hypothesis: A translation, with attention.
        wanted: Terms in what the model got.
        length: How many characters that has.
    """
    for occurrence in wanted:
        if has_translation(occurrence.entry, hypothesis.text):
            continue
        span = projected((occurrence.start, occurrence.end), length, hypothesis)
        if span is not None and not _is_taken(hypothesis.text, span, wanted):
            hypothesis = replaced(hypothesis, span, _spaced(hypothesis.text, span, occurrence.entry.translation))
    return hypothesis


def _is_taken(text: str, span: Span, wanted: Sequence[Occurrence]) -> bool:
    """Whether a placeholder would be overwritten, or another entry's translation that stands nowhere else."""
    old, rest = text[span[0] : span[1]], text[: span[0]] + " " + text[span[1] :]
    if re.search(r"[{}｛｝]", old):
        return True
    return any(has_translation(each.entry, old) and not has_translation(each.entry, rest) for each in wanted)


def _spaced(text: str, span: Span, new: str) -> str:
    """`new` with the blanks that keep it from its neighbours."""
    before = " " if span[0] and _touch(text[span[0] - 1], new[0]) else ""
    return before + new + (" " if _touch(new[-1], text[span[1] : span[1] + 1]) else "")


def _touch(left: str, right: str) -> bool:
    return _is_word(left) and _is_word(right)


def _is_word(character: str) -> bool:
    return character.isalnum() and unicodedata.east_asian_width(character) not in "WF"


def _whole_words(pattern: str, text: str) -> str:
    """The pattern, not to be found inside a word of an alphabet; Chinese characters and the like are no such word."""
    before = r"(?<![^\W\u2E80-\uFFEF])" if _is_word(text[0]) else ""
    after = r"(?![^\W\u2E80-\uFFEF])" if _is_word(text[-1]) else ""
    return f"{before}{pattern}{after}"
