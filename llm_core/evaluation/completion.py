"""Code completion on held-out Python files: what is hidden, and how what a model writes there is scored.

Files are cut into passages of whole top-level statements, short enough for a small model's context, and of each

- the *next line*: all behind the cursor is hidden, and the first line that is written must be the first that stood
  there, blanks around it aside (exact match, as in CodeXGLUE, arXiv:2102.04664);
- a *gap* of one to three lines, with what follows them shown (fill in the middle, arXiv:2207.14255): the passage must
  parse with what is written there.

Both are asked of the model as the page asks it, so its boundary counts, too: a completion that ran out of tokens has
found no end. The module knows no model.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Estimate, mean_interval

PASSAGE_CHARS = 2000
"""Of a passage, at most: some 600 tokens."""
SHORTEST_PASSAGE_LINES = 12
GAP_LINES = 3
_LEAST_BEFORE = 4
"""Lines that stand before the cursor, at least."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a passage."""

    prefix: str
    """Up to the beginning of a line."""
    hidden: str
    """One line, or some, each with its end."""
    suffix: str = ""
    """Empty: all behind the cursor is hidden."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a model wrote into a hole."""

    text: str
    ended: bool
    """Whether it came to an end before its tokens ran out."""
    parses: bool
    """Whether the passage is Python with it."""


def passages(text: str) -> Iterator[str]:
    """Runs of whole top-level statements, each as long as fits into `PASSAGE_CHARS`; none of a file that is no Python.

    Args:
        text: A file.
    """
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return
    lines, start, end = text.splitlines(keepends=True), 0, 0
    for statement in body:
        last = statement.end_lineno or statement.lineno
        if end > start and sum(map(len, lines[start:last])) > PASSAGE_CHARS:
            yield "".join(lines[start:end])
            start = end
        end = last
    yield "".join(lines[start:end])


def holes(texts: Sequence[str], *, gaps: bool, most: int = 300, seed: int = 13) -> list[Hole]:
    """One hole a passage; the same ones at the same seed.

    Args:
        texts: Python files.
        gaps: Gaps of one to three lines instead of the next line.
        most: So many passages at most, drawn from all of them.
        seed: Of what is drawn.

    Raises:
        InputError: No text has room for a hole.
    """
    draw = random.Random(seed)
    found = [p for text in texts for p in passages(text) if p.count("\n") >= SHORTEST_PASSAGE_LINES]
    fitting = [passage for passage in found if len(passage) <= PASSAGE_CHARS]
    drawn = [_hole(passage, gaps, draw) for passage in draw.sample(fitting, min(most, len(fitting)))]
    if not any(drawn):
        raise InputError("data", f"must have Python files of at least {SHORTEST_PASSAGE_LINES} lines in the field text")
    return [hole for hole in drawn if hole]


def _hole(passage: str, gap: bool, draw: random.Random) -> Hole | None:
    lines = passage.splitlines(keepends=True)
    count = draw.randint(1, GAP_LINES) if gap else 1
    starts = [n for n in range(_LEAST_BEFORE, len(lines) - count) if lines[n].strip()]
    if not starts:
        return None
    start = draw.choice(starts)
    rest = lines[start + count :] if gap else []
    return Hole("".join(lines[:start]), "".join(lines[start : start + count]), "".join(rest))


def completion_scores(
    next_lines: Sequence[Hole], lines: Sequence[Filled], gaps: Sequence[Hole], filled: Sequence[Filled]
) -> dict[str, Estimate]:
    """Shares in [0, 1]: ``next_line_exact_match``, ``infilling_exact_match``, ``infilling_parses``, and of all
    completions ``ended``.

    Args:
        next_lines: Without a suffix.
        lines: What was written into each.
        gaps: With a suffix.
        filled: What was written into each.
    """
    pairs = zip(gaps, filled, strict=True)
    ended = [answer.ended for answer in (*lines, *filled)]
    shares = {
        "next_line_exact_match": [
            first_line(answer.text) == hole.hidden.strip() for hole, answer in zip(next_lines, lines, strict=True)
        ],
        "infilling_exact_match": [answer.text.strip() == hole.hidden.strip() for hole, answer in pairs],
        "infilling_parses": [answer.parses for answer in filled],
        "ended": ended,
    }
    return {name: mean_interval(np.array(values, dtype=float)) for name, values in shares.items()}


def first_line(text: str) -> str:
    """The first line that is not blank, without blanks around it; empty when there is none."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
