"""Labels with their probabilities, and stretches of a text with their labels: as data for the browser; see `_drawn`.

The names of ready labels are translated by the browser, from the table ``labels``; a visitor's own stay as written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from demos._drawn import drawn_view, encoded
from llm_core.tasks.classify import OWN_LABEL_SET

SHOWN_LABELS = 8


def labels_view(elem_id: str, *classes: str) -> gr.HTML:
    """The component for one text's labels; its value is what `describe_labels` gives, or empty."""
    return drawn_view("labels", elem_id, classes=classes)


def describe_labels(scores: Mapping[str, float], *, own: bool = False) -> str:
    """Value of that view.

    Args:
        scores: Probability by label.
        own: Whether the visitor made the labels up.
    """
    likeliest = sorted(scores, key=lambda label: -scores[label])[:SHOWN_LABELS]
    return encoded({"rows": [[label, round(scores[label], 4)] for label in likeliest], "own": own})


def has_own_labels(fields: Mapping[str, Any]) -> bool:
    """Whether a request to classify is about labels of the visitor's, which nobody translates."""
    return fields.get("label_set") in (None, OWN_LABEL_SET)


def marked_view(elem_id: str, *classes: str) -> gr.HTML:
    """The component for a text with labels in it; its value is what `describe_marked` gives, or empty."""
    return drawn_view("marked", elem_id, classes=classes)


def describe_marked(pieces: Iterable[tuple[str, str | None]]) -> str:
    """Value of that view.

    Args:
        pieces: The whole text, in pieces with their labels; see `marked`.
    """
    return encoded({"pieces": [[text, label or ""] for text, label in pieces]})
