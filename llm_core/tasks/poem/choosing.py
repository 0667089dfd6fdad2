"""Which of several sentences of a poem is the best: likely, in tune, and without words said before.

The module knows no model and no request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_core.data.poetry import lines_of
from llm_core.data.prosody import rhyme_of, sounds, tones_kept
from llm_core.data.verse_forms import Line, VerseForm, fits
from llm_core.types import Token

TONE_COST, REPEAT_COST, RHYME_COST = 2.0, 1.0, 4.0
"""In nats, for each rule of tones that is broken, character that is said again, rhyme that is missed."""


@dataclass(frozen=True)
class Candidate:
    """A sentence that a decoder wrote."""

    text: str
    log_probability: float
    """In nats; 0 when the decoder tells none."""

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> Candidate:
        """From what was decoded."""
        log_probability = sum(math.log(token.probability) for token in tokens if token.probability)
        return cls("".join(token.text for token in tokens), log_probability)


def best(
    candidates: Sequence[Candidate], form: VerseForm, lines: Sequence[Line], before: str, rhymes: Mapping[str, str]
) -> Candidate:
    """The candidate with the highest score.

    Args:
        candidates: At least one.
        form: Of the poem.
        lines: Of the form, that the sentence fills.
        before: The poem so far.
        rhymes: The rhymes decided so far.
    """

    def score(candidate: Candidate) -> float:
        found = lines_of(candidate.text)
        cost = REPEAT_COST * _said_again(candidate.text, before, found)
        if not fits(found, lines):
            return -math.inf
        cost += RHYME_COST * _missed_rhymes(found, lines, rhymes, endings(before), level=form.regulated)
        if form.regulated:
            kept, rules = tones_kept([*lines_of(before), *found])
            cost += TONE_COST * (rules - kept)
        return candidate.log_probability - cost

    return max(candidates, key=score)


def endings(text: str) -> str:
    """The last character of each line."""
    return "".join(line[-1] for line in lines_of(text))


def rhymes_after(lines: Sequence[Line], texts: Sequence[str], rhymes: Mapping[str, str]) -> dict[str, str]:
    """The rhymes that are decided after further lines."""
    decided = dict(rhymes)
    for line, text in zip(lines, texts, strict=False):
        if line.rhyme and text:
            decided.setdefault(line.rhyme, rhyme_of(text))
    return {letter: rhyme for letter, rhyme in decided.items() if rhyme}


def _said_again(text: str, before: str, found: Sequence[str]) -> int:
    """Characters that stand in the poem already; twice in a row (萧萧) is a figure of speech, not a repetition."""
    written = "".join(lines_of(before))
    again = 0
    for place, character in enumerate("".join(found)):
        doubled = written.endswith(character) and place
        again += character in written and not doubled
        written += character
    return again


def _missed_rhymes(
    found: Sequence[str], lines: Sequence[Line], rhymes: Mapping[str, str], taken: str, *, level: bool
) -> int:
    missed, decided = 0, dict(rhymes)
    for text, line in zip(found, lines, strict=True):
        if line.rhyme:
            last = sounds(text)[-1]
            wanted = decided.setdefault(line.rhyme, last.rhyme)
            missed += last.rhyme != wanted or text[-1] in taken or (level and not last.level)
            taken += text[-1]
    return missed
