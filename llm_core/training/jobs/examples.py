"""Labelled texts: bounds, and a stratified division into rows to learn from and rows to measure on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from llm_core.limits import MAX_LABEL_CHARS, check_text

MAX_ROWS = 2_000
MAX_EXAMPLE_CHARS = 2_000
MIN_LABELS, MAX_LABELS = 2, 20
MIN_ROWS_PER_LABEL = 4
VALIDATION_SHARE = 0.25
MAX_VALIDATION = 400
SEED = 13


class Example(NamedTuple):
    """A text and what it is."""

    text: str
    label: str


class Division(NamedTuple):
    """Rows to learn from, and rows that are kept out to measure on; no text is in both."""

    train: list[Example]
    validation: list[Example]


def check_examples(pairs: Sequence[tuple[str, str]]) -> tuple[Example, ...]:
    """Accept labelled texts; rows that come again are left out.

    Raises:
        ValueError: A bound is broken; the message names the row, counted from 1, and the rule.
    """
    if not pairs:
        raise ValueError("must not be empty")
    if len(pairs) > MAX_ROWS:
        raise ValueError(f"must be at most {MAX_ROWS:,} rows, there are {len(pairs):,}")
    known: dict[str, tuple[int, str]] = {}
    for number, (text, label) in enumerate(pairs, start=1):
        text, label = _checked_row(number, text, label)
        first, earlier = known.setdefault(text, (number, label))
        if earlier != label:
            raise ValueError(f"row {number} has the text of row {first} with another label: {label!r}, not {earlier!r}")
    examples = tuple(Example(text, label) for text, (_, label) in known.items())
    _check_labels(examples)
    return examples


def labels_of(examples: Sequence[Example]) -> tuple[str, ...]:
    """Labels in the order in which they come up."""
    return tuple(dict.fromkeys(example.label for example in examples))


def divide(examples: Sequence[Example], seed: int = SEED) -> Division:
    """Divide so that both parts have the labels in the same proportions, as nearly as whole rows allow.

    Args:
        examples: From `check_examples`: at least `MIN_ROWS_PER_LABEL` of each label.
        seed: Of the draw.
    """
    share = min(VALIDATION_SHARE, MAX_VALIDATION / len(examples))
    draw, kept_out = random.Random(seed), set()
    for label in labels_of(examples):
        own = [number for number, example in enumerate(examples) if example.label == label]
        kept_out.update(draw.sample(own, max(1, round(share * len(own)))))
    train = [example for number, example in enumerate(examples) if number not in kept_out]
    return Division(train, [examples[number] for number in sorted(kept_out)])


def _checked_row(number: int, text: str, label: str) -> tuple[str, str]:
    text, label = text.strip(), " ".join(label.split())
    if not text:
        raise ValueError(f"row {number} has no text")
    if not label:
        raise ValueError(f"row {number} has no label")
    if len(text) > MAX_EXAMPLE_CHARS:
        raise ValueError(f"row {number}: the text is limited to {MAX_EXAMPLE_CHARS:,} characters, it has {len(text):,}")
    if len(label) > MAX_LABEL_CHARS:
        raise ValueError(f"row {number}: the label is limited to {MAX_LABEL_CHARS} characters, it has {len(label):,}")
    try:
        check_text(text)
        check_text(label)
    except ValueError as error:
        raise ValueError(f"row {number} {error}") from None
    return text, label


def _check_labels(examples: Sequence[Example]) -> None:
    counts = Counter(example.label for example in examples)
    if len(counts) < MIN_LABELS:
        raise ValueError(f"must have at least {MIN_LABELS} different labels; all rows are {next(iter(counts))!r}")
    if len(counts) > MAX_LABELS:
        raise ValueError(f"may have {MAX_LABELS} different labels, there are {len(counts)}")
    label, fewest = min(counts.items(), key=lambda item: item[1])
    if fewest < MIN_ROWS_PER_LABEL:
        raise ValueError(
            f"must hold at least {MIN_ROWS_PER_LABEL} different texts of each label; {label!r} has {fewest}"
        )
