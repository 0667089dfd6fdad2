"""A long sentence cut into clauses, and their translations put together as one sentence.

A small translator loses the thread of a sentence much longer than those it learnt from, and leaves parts of it out;
clause by clause it keeps them. The module knows no model. Lengths are in units; see `tasks.sentences`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from llm_core.tasks.sentences import units
from llm_core.tasks.translate.languages import UNSPACED
from llm_core.tasks.translate.layout import Sentence
from llm_core.tasks.translate.marks import Mark, moved
from llm_core.tasks.translate.types import Alignment, Alternative, SentencePair

_LONG = 220
"""From this length on a sentence is long."""
_LEAST = 70
"""Of a clause; a shorter one says too little by itself."""
_END = re.compile(r"[,;:]\s+|[，；：]\s*")
_UNSPACED_MARKS = {",": "，", ";": "；", ":": "："}
_SPACED_MARKS = {wide: mark for mark, wide in _UNSPACED_MARKS.items()}
_ENDS = " 。.,，;；:：、"
_STARTS = frozenset(
    "A After All Although An And As At Because Before Both But By Each Even For From He Her His However If In Into It "
    "Its Many More Most No Not Of On Once Or Our She Since So Some Such Than That The Their Then There These They This "
    "Those Though Through To Under Until We What When Where Whether Which While Who With Without You Your".split()
)
"""Words that have a capital at the start of a sentence only."""


def clauses(sentence: Sentence) -> list[Sentence]:
    """The clauses of a long sentence, with their marks; none of one that is short or cannot be cut.

    No clause ends within a mark or between the two of a pair.
    """
    text, cuts = sentence.text, [0]
    if units(text) < _LONG:
        return []
    for place in (match.end() for match in _END.finditer(text)):
        lengths = units(text[cuts[-1] : place]), units(text[place:])
        if min(lengths) >= _LEAST and not any(_holds(mark, place) for mark in sentence.marks):
            cuts.append(place)
    return [_clause(sentence, start, end) for start, end in pairwise([*cuts, len(text)])] if len(cuts) > 1 else []


def _holds(mark: Mark, place: int) -> bool:
    end = mark.partner.end if mark.partner is not None and mark.opens else mark.end
    return mark.start < place < end


def _clause(sentence: Sentence, start: int, end: int) -> Sentence:
    text = sentence.text[start:end].rstrip()
    inside = [mark for mark in sentence.marks if start <= mark.start and mark.end <= end]
    return Sentence(sentence.unit, start, end, text, text, moved(inside, lambda place: place - start), "")


def joined(whole: SentencePair, parts: Sequence[SentencePair], target: str) -> SentencePair:
    """The sentence with the translations of its clauses.

    Args:
        whole: The sentence as the model translated it at once: becomes the first alternative, where there are some.
        parts: Its clauses, each with its place in the sentence as its `start`.
        target: Language of the translations.
    """
    text, starts = "", []
    for part in parts:
        body = part.target if part is parts[-1] else part.target.rstrip(_ENDS)
        first = body.split(" ", 1)[0]
        starts.append(len(text))
        text += body[:1].lower() + body[1:] if text and first in _STARTS else body
        text += "" if part is parts[-1] else _mark(part.source[-1], target)
    lengths = [len(part.source) for part in parts]
    score = fmean((part.log_probability or 0.0 for part in parts), weights=lengths)
    at_once = Alternative(text=whole.target, log_probability=whole.log_probability or 0.0)
    others = [each for each in (at_once, *whole.alternatives) if each.text != text]
    return whole.model_copy(
        update={
            "target": text,
            "log_probability": score,
            "glossary": tuple(term for part in parts for term in part.glossary),
            "alternatives": tuple(others[: len(whole.alternatives)]),
            "alignment": _aligned(parts, starts),
        }
    )


def _mark(mark: str, target: str) -> str:
    if target in UNSPACED:
        return _UNSPACED_MARKS.get(mark, mark)
    return _SPACED_MARKS.get(mark, mark) + " "


def _aligned(parts: Sequence[SentencePair], starts: Sequence[int]) -> Alignment | None:
    """Each clause with itself; ``None`` if one has no alignment."""
    source: list[tuple[int, int]] = []
    target: list[tuple[int, int]] = []
    links: list[tuple[int, int]] = []
    rows: list[tuple[int, tuple[float, ...]]] = []
    for part, start, end in zip(parts, starts, [*starts[1:], None], strict=True):
        own = part.alignment
        if own is None:
            return None
        kept = [n for n, (_, last) in enumerate(own.target) if end is None or start + last <= end]
        links += [(len(source) + a, len(target) + kept.index(b)) for a, b in own.links if b in kept]
        rows += [(len(source), own.weights[n]) for n in kept]
        source += [(part.start + a, part.start + b) for a, b in own.source]
        target += [(start + own.target[n][0], start + own.target[n][1]) for n in kept]
    weights = tuple((0.0,) * before + row + (0.0,) * (len(source) - before - len(row)) for before, row in rows)
    return Alignment(source=tuple(source), target=tuple(target), weights=weights, links=tuple(links))
