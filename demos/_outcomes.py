"""What several models said to the same, and where they differ: as data for the browser. Knows no component.

Differences are never told by colour alone: what only one of them has is underlined or framed, and counted.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_core.data.words import word_ranges

MAX_COMPARED_WORDS = 2_000
"""Of one text: comparing takes quadratic time."""
SHOWN_LABELS = 8


@dataclass(frozen=True)
class Labels:
    """One label of several."""

    label: str | None
    """``None`` where the model named none of them."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Probability by label; empty where a model gives none."""


@dataclass(frozen=True)
class Words:
    """A text; an empty one is an answer too: that there is none."""

    text: str
    probability: float | None = None
    code: bool = False


@dataclass(frozen=True)
class Spans:
    """Stretches of a text: (first character, one past the last, label), from left to right, none overlapping."""

    text: str
    spans: Sequence[tuple[int, int, str]]
    not_in_text: Sequence[str] = ()
    """What was named and is not there."""


Outcome = Labels | Words | Spans


def compared(outcomes: Sequence[Outcome | None]) -> list[dict[str, Any] | None]:
    """What to draw of each outcome, with its differences; ``None`` stays where there is none."""
    there = [outcome for outcome in outcomes if outcome is not None]
    drawn = iter(_compared(there))
    return [None if outcome is None else next(drawn) for outcome in outcomes]


def draft(text: str, code: bool) -> dict[str, Any]:
    """What to draw of a text that is still being written."""
    return {"kind": "words", "pieces": [[text, 0]], "code": code}


def _compared(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    labels = [each for each in outcomes if isinstance(each, Labels)]
    words = [each for each in outcomes if isinstance(each, Words)]
    spans = [each for each in outcomes if isinstance(each, Spans)]
    if labels:
        return _labels(labels)
    return _words(words) if words else _spans(spans)


def _labels(outcomes: Sequence[Labels]) -> list[dict[str, Any]]:
    """The labels in the same order in all columns, so that the eye can go across."""
    order = [label for each in outcomes for label in sorted(each.scores, key=lambda name: -each.scores[name])]
    rank = {label: place for place, label in reversed(list(enumerate(order)))}
    drawn = []
    for each in outcomes:
        shown = sorted(each.scores, key=lambda name: -each.scores[name])[:SHOWN_LABELS]
        rows = [[label, round(each.scores[label], 4)] for label in sorted(shown, key=rank.__getitem__)]
        drawn.append({"kind": "labels", "label": each.label, "rows": rows, "same": each.label == outcomes[0].label})
    return drawn


def _words(outcomes: Sequence[Words]) -> list[dict[str, Any]]:
    """Each against the first; in the first is marked what any other does not have."""
    places = [word_ranges(each.text) for each in outcomes]
    said = [[each.text[a:b] for a, b in ranges] for each, ranges in zip(outcomes, places, strict=True)]
    if max(map(len, said)) > MAX_COMPARED_WORDS:
        return [{**_word_facts(each), "pieces": [[each.text, 0]], "long": True} for each in outcomes]
    common = [set(range(len(said[0])))] + [set() for _ in said[1:]]
    shares: list[float | None] = [None]
    for place, words in enumerate(said[1:], start=1):
        blocks = difflib.SequenceMatcher(None, said[0], words, autojunk=False).get_matching_blocks()
        common[0] &= {block.a + step for block in blocks for step in range(block.size)}
        common[place] = {block.b + step for block in blocks for step in range(block.size)}
        total = len(said[0]) + len(words)
        shares.append(2 * sum(block.size for block in blocks) / total if total else 1.0)
    return [
        {**_word_facts(each), "pieces": _pieces(each.text, ranges, shared), "share": share}
        for each, ranges, shared, share in zip(outcomes, places, common, shares, strict=True)
    ]


def _word_facts(outcome: Words) -> dict[str, Any]:
    return {"kind": "words", "code": outcome.code, "probability": outcome.probability, "empty": not outcome.text}


def _pieces(text: str, places: Sequence[tuple[int, int]], shared: set[int]) -> list[list[Any]]:
    """The text in pieces, each with whether it is here only; what stands between two such words goes with them."""
    pieces: list[list[Any]] = []
    position = 0
    for number, (start, end) in enumerate(places):
        own = int(number not in shared)
        joined = own if own and pieces and pieces[-1][1] else 0
        for piece, mark in ((text[position:start], joined), (text[start:end], own)):
            if piece and pieces and pieces[-1][1] == mark:
                pieces[-1][0] += piece
            elif piece:
                pieces.append([piece, mark])
        position = end
    return [*pieces, [text[position:], 0]] if text[position:] else pieces


def _spans(outcomes: Sequence[Spans]) -> list[dict[str, Any]]:
    drawn = []
    for place, each in enumerate(outcomes):
        elsewhere = {span for other in outcomes[:place] + outcomes[place + 1 :] for span in other.spans}  # type: ignore[operator]
        pieces: list[list[Any]] = []
        position = 0
        for start, end, label in each.spans:
            own = int(len(outcomes) > 1 and (start, end, label) not in elsewhere)
            pieces += [[each.text[position:start], "", 0], [each.text[start:end], label, own]]
            position = end
        pieces.append([each.text[position:], "", 0])
        found = {
            "kind": "spans",
            "pieces": [piece for piece in pieces if piece[0]],
            "count": len(each.spans),
            "own": sum(piece[2] for piece in pieces),
            "not_in_text": list(each.not_in_text),
        }
        drawn.append(found)
    return drawn
