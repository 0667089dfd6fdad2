"""The status line of a run, drawn by the browser: what it is busy with, then who answered, how fast, instead of whom.

A line is parts side by side. A part is pieces: text that stands in no language, a string of the page by its key, or a
model, whose title is translated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from demos._drawn import drawn_view, encoded
from demos._stream import View
from llm_core.types import Loading, Progress, RunStats, Waiting

Piece = str | dict[str, str]
DONE = "✓"
"""In any language."""


def string(key: str, detail: str = "") -> list[Piece]:
    """A part: the string `key` and what follows it."""
    return [{"say": key}, detail] if detail else [{"say": key}]


def line(*parts: Sequence[Piece], warning: Sequence[Piece] = ()) -> str:
    """A whole line; parts without pieces are left out.

    Args:
        parts: From left to right.
        warning: A last part that must not be overlooked.
    """
    value: dict[str, Any] = {"parts": [list(part) for part in parts if part]}
    return encoded(value | ({"warning": list(warning)} if warning else {}))


def told(key: str, detail: str = "") -> str:
    """A line of one part: the string `key`, followed by language-neutral `detail`."""
    return line(string(key, detail))


READY = told("status.ready")


def status_view(elem_id: str, value: str = READY, classes: Sequence[str] = ()) -> gr.HTML:
    """The component; its value is one of this module's lines, or empty."""
    return drawn_view("status", elem_id, value=value, classes=classes)


def describe_phase(view: View) -> str:
    """What a request that has not finished is busy with."""
    match view.phase:
        case Waiting(ahead=ahead):
            return told("status.waiting", str(ahead))
        case Loading(lent=True):
            return told("zero_gpu.waiting")
        case Loading(model_id=model_id):
            return told("status.loading", model_id)
        case Progress(done=done, total=total) if total > 1:
            return told("status.running", f"{done}/{total}")
    return told("status.running")


def describe_stats(title: str, stats: RunStats, missed: str = "") -> str:
    """Model and device, first token, total, speed, and who was to answer and did not.

    Args:
        title: What the model is called in English.
        stats: Of the run.
        missed: What the model is called that was to answer; empty if it did.
    """
    speed = stats.tokens_per_second
    return line(
        [DONE, {"model": stats.model_id, "title": title}, f"· {stats.device}"],
        string("status.first", _duration(stats.first_token_ms)) if stats.tokens > 0 else (),
        string("status.total", _duration(stats.total_ms)),
        [f"{speed:.0f}", {"say": "status.per_second"}] if speed else (),
        warning=string("remote.instead", missed) if missed else (),
    )


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"
