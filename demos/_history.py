"""History of this visit: what finished runs leave in the visitor's browser, and nowhere else; see ``history.js``.

The server sends each finished run once, to a view at the foot of the page that keeps it in the tab's session storage.
An entry holds the link that restores its fields (see `_usage`). Files and chats have no link, and no entry.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import gradio as gr

from demos._drawn import drawn_view, encoded
from demos._usage import ADDRESS, Place, given
from llm_core.session import Task
from llm_core.types import RunStats

SHOWN_CHARS = 200
"""Of the fields, and of the answer."""
SHOWN_GUESSES = 3
"""Of the next piece."""


def history_view() -> gr.HTML:
    """The component, to be rendered at the foot; its value is what `describe_run` gives, or empty."""
    return drawn_view("history", "history", render=False)


def describe_run(
    place: Place,
    task: Task[Any, Any],
    fields: Mapping[str, Any],
    address: str,
    title: str,
    stats: RunStats,
    record: Mapping[str, Any],
) -> str:
    """Value of the view: one finished run.

    Args:
        place: The frame.
        task: What was asked for.
        fields: Of the request.
        address: From `link`; empty when the fields are too long to be kept.
        title: What the model is called in English.
        stats: What it cost.
        record: Of the result.
    """
    texts = [value for value in given(task, fields).values() if isinstance(value, str)]
    return encoded(
        {
            "id": uuid.uuid4().hex,
            "tabs": place.tabs,
            "model": title,
            "model_id": stats.model_id,
            "seconds": round(stats.total_ms / 1000, 3),
            "asked": shortened(" · ".join(texts)),
            "answer": shortened(summary(record)),
            "link": address.removeprefix(f"{ADDRESS}/"),
        }
    )


def summary(record: Mapping[str, Any]) -> str:
    """A record in a line."""
    if "label" in record:
        score = record["scores"][record["label"]] if "scores" in record else record["score"]
        return f"{record['label']} {score:.0%}"
    if "entities" in record:
        return ", ".join(f"{each['text']} ({each['label']})" for each in record["entities"])
    if "explained" in record:
        explained = record["explained"]
        return f"{explained['text'] or explained['label']} {explained['score']:.0%}"
    if "hidden" in record:
        guesses = [hidden["guesses"][0] for hidden in record["hidden"]] or record["next"][:SHOWN_GUESSES]
        return ", ".join(f"{piece.replace('▁', ' ').strip()} {probability:.0%}" for piece, probability in guesses)
    return str(record.get("text", record.get("answer", "")))


def shortened(text: str) -> str:
    """On one line, and cut."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 1]}…"
