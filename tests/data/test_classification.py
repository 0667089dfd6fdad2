"""Classification rows: labels in the given order, rare labels drawn more often."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from llm_core.data.classification import balanced, classification_features
from llm_core.errors import InputError


def test_labels_become_indices_in_the_given_order(tokenizer: Any) -> None:
    rows = [{"text": "good", "label": "p"}, {"text": "bad " * 50, "label": "n"}]
    first, second = classification_features(tokenizer, rows, ["n", "p"], max_length=16)
    assert (first["labels"], second["labels"]) == (1, 0)
    assert len(second["input_ids"]) == 16


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": None, "label": "n"}, "text: row 1: must be a string"),
        ({"text": "a", "label": "x"}, "label: row 1: must be one of n, p"),
    ],
)
def test_a_bad_row_is_named(tokenizer: Any, row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        classification_features(tokenizer, [row], ["n", "p"], 16)


@pytest.mark.parametrize(("power", "rare"), [(0.0, 4), (0.5, 8), (1.0, 16)])
def test_rare_labels_are_drawn_more_often(power: float, rare: int) -> None:
    rows = [{"label": "common"}] * 16 + [{"label": "rare"}] * 4
    assert Counter(row["label"] for row in balanced(rows, power, seed=0)) == {"common": 16, "rare": rare}
