"""Labels as data for the browser, and their names in both languages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from demos._i18n import strings
from demos._labels import SHOWN_LABELS, describe_labels, describe_marked, has_own_labels
from llm_core.catalog import LABELLED_HEADS, load_catalog
from llm_core.tasks.classify import OWN_LABEL_SET


def test_the_likeliest_come_first_and_no_more_than_fit() -> None:
    scores = {f"label {number}": number / 100 for number in range(20)}
    drawn = json.loads(describe_labels(scores, own=True))
    assert len(drawn["rows"]) == SHOWN_LABELS and drawn["rows"][0] == ["label 19", 0.19] and drawn["own"]


def test_what_lies_between_has_no_label() -> None:
    assert json.loads(describe_marked([("He <b>", "positive"), (" said", None)])) == {
        "pieces": [["He <b>", "positive"], [" said", ""]]
    }


def test_every_ready_label_has_a_name() -> None:
    """Keys are made as `named` in ``drawn.js`` makes them; a tag's label is its type."""
    ready = {
        label.removeprefix("B-")
        for spec in load_catalog().values()
        if spec.tier == "embedded" and spec.head in LABELLED_HEADS
        for label in spec.labels
        if label != "O" and not label.startswith("I-")
    }
    assert len(ready) > 30
    assert {"labels." + re.sub("[^a-z]+", "_", label.lower()) for label in ready} <= strings("zh").keys()


@pytest.mark.parametrize(
    ("fields", "own"),
    [
        ({"text": "a", "label_set": "ag_news"}, False),
        ({"text": "a", "labels": ["sports", "work"]}, True),
        ({"text": "a", "examples": [["a", "sports"]]}, True),
        ({"text": "a", "label_set": OWN_LABEL_SET}, True),
    ],
)
def test_whose_labels_they_are(fields: dict[str, Any], own: bool) -> None:
    assert has_own_labels(fields) == own
