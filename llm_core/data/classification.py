"""Text classification: rows to token sequences.

One text, one label. The module knows the label names and their order, and nothing of models.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from llm_core.data.loaders import Row
from llm_core.errors import InputError


def classification_features(
    tokenizer: Any, rows: Sequence[Row], labels: Sequence[str], max_length: int
) -> list[dict[str, Any]]:
    """Tokenised rows with `labels` as indices into `labels`.

    Raises:
        InputError: A row has no text, or a label that is not among `labels`.
    """
    index = {label: i for i, label in enumerate(labels)}
    for number, row in enumerate(rows, start=1):
        _check(row, number, index)
    if not rows:
        return []
    encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=max_length)
    return [
        {"input_ids": ids, "labels": index[row["label"]]} for ids, row in zip(encoded["input_ids"], rows, strict=True)
    ]


def _check(row: Row, number: int, index: dict[str, int]) -> None:
    if not isinstance(row.get("text"), str):
        raise InputError("text", f"row {number}: must be a string", row.get("text"))
    if row.get("label") not in index:
        raise InputError("label", f"row {number}: must be one of {', '.join(index)}", row.get("label"))


def balanced(rows: Sequence[Row], power: float, seed: int) -> list[Row]:
    """Rows with rare labels drawn more often: each label ``(largest count / count) ** power`` times.

    Args:
        rows: Labelled rows.
        power: 0 leaves the rows as they are, 1 makes all labels equally frequent.
        seed: Of the draw.
    """
    counts, draw = Counter(row["label"] for row in rows), random.Random(seed)
    largest = max(counts.values(), default=0)
    extra = []
    for label, count in sorted(counts.items()):
        wanted = round(count * ((largest / count) ** power - 1))
        extra += draw.choices([row for row in rows if row["label"] == label], k=wanted)
    return [*rows, *extra]
