"""The list of completions, ranked, with what a check says about each: what the browser draws, as data; see `_drawn`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from demos._drawn import drawn_view, encoded
from demos._workbench import PRIVATE
from llm_core.tasks.code_check import CodeCheck
from llm_core.tasks.complete import Candidate, CompleteResult

SHOWN_LINES = 3
"""Of the code before the cursor, above each completion."""


def completions_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_draft` or `describe_completions` gives, or empty."""
    return drawn_view("completions", elem_id)


def let_accept(view: gr.HTML, prefix: Component) -> None:
    """Append what a visitor accepts, a word, a line or all, to the code before the cursor; no server is asked."""
    append = (
        "(value, prefix) => { const { accepted } = JSON.parse(value); return accepted ? prefix + accepted : prefix; }"
    )
    view.input(None, [view, prefix], prefix, js=append, **PRIVATE)


def describe_draft(prefix: str, texts: Sequence[str]) -> str:
    """Value of the view while the completions are being written."""
    return encoded({"before": _last_lines(prefix), "candidates": [{"text": text} for text in texts]})


def describe_completions(prefix: str, result: CompleteResult, checks: Sequence[CodeCheck | None]) -> str:
    """Value of the view.

    Args:
        prefix: Code before the cursor.
        result: The completions, best first.
        checks: Of each with the code around it; ``None`` for languages that are not checked.
    """
    rows = [_row(each, check) for each, check in zip(result.candidates, checks, strict=True)]
    return encoded({"before": _last_lines(prefix), "candidates": rows, "done": True, "cut": result.lines_left_out})


def _row(candidate: Candidate, check: CodeCheck | None) -> dict[str, Any]:
    row: dict[str, Any] = {"text": candidate.text, "parses": candidate.syntax_ok, "end": candidate.stopped_at}
    if candidate.mean_log_probability is not None:
        row["probability"] = round(math.exp(candidate.mean_log_probability), 3)
    if check is not None:
        row["findings"] = [[each.line, each.rule, each.message] for each in check.findings]
        if check.doctests is not None:
            tests = check.doctests
            row["doctests"] = [tests.passed, tests.failed, tests.output, tests.timed_out]
    return row


def _last_lines(code: str) -> str:
    return "\n".join(code.split("\n")[-SHOWN_LINES:])
