"""Code completion: what comes next at the cursor, one or several candidates, checked for syntax."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block

from demos._api import Record, serve
from demos._demo import Demo, DemoContext
from demos._handler import Updates
from demos._i18n import say
from demos._stream import View
from demos._workbench import Workbench
from llm_core.limits import MAX_NEW_TOKENS
from llm_core.tasks.complete import LANGUAGES, MAX_CANDIDATES, PYTHON, TASK, Candidate

HIGHLIGHTED = frozenset({"python", "c", "cpp", "javascript", "typescript", "sql", "shell"})
"""Languages that the code view colours."""
EXAMPLES = {
    "Fibonacci": 'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
    "Read a CSV": (
        'import csv\n\n\ndef read_rows(path):\n    """Return the rows of a CSV file as dictionaries."""\n'
        "    with open(path) as file:\n"
    ),
    "Is it a palindrome?": (
        'def is_palindrome(text):\n    """Whether text reads the same backwards, ignoring case."""\n'
        "    text = text.lower()\n"
    ),
    "A class": (
        "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n"
        "        self.items.append(item)\n\n    def pop(self):\n"
    ),
}

Slot = tuple[gr.Code, gr.Markdown]
"""Where one candidate and what is to be said about it are shown."""


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    bench = Workbench(ctx, DEMO.slug, TASK)
    with bench.frame():
        with bench.fields():
            prefix = gr.Code(
                value="", language="python", lines=9, max_lines=16, label=ctx.t("complete.prefix"), interactive=True
            )
            with gr.Accordion(ctx.t("common.settings"), open=False):
                count = gr.Slider(1, MAX_CANDIDATES, 1, step=1, label=ctx.t("complete.count"))
                longest = gr.Slider(16, MAX_NEW_TOKENS, 96, step=16, label=ctx.t("complete.max_new_tokens"))
                language = gr.Dropdown(list(LANGUAGES), value=PYTHON, label=ctx.t("complete.language"))
                suffix = gr.Code(
                    value="", language="python", lines=3, max_lines=10, label=ctx.t("complete.suffix"), interactive=True
                )
        with bench.results():
            slots = [_slot(ctx, visible=number == 0) for number in range(MAX_CANDIDATES)]
        bench.examples([[code] for code in EXAMPLES.values()], [prefix], list(EXAMPLES))

    def to_request(prefix: str, suffix: str, count: int, longest: int, language: str) -> dict[str, Any]:
        return {
            "prefix": prefix,
            "suffix": suffix or "",
            "candidates": count,
            "max_new_tokens": longest,
            "language": language,
        }

    def render(view: View, prefix: str, suffix: str, count: int, longest: int, language: str) -> Updates:
        texts = [view.texts.get(number, "") for number in range(int(count))]
        notes = ["" for _ in texts]
        if view.result is not None:
            texts = [candidate.text for candidate in view.result.candidates]
            notes = [describe(candidate) for candidate in view.result.candidates]
        return _filled(slots, [prefix + text + (suffix or "") for text in texts], notes, language)

    bench.connect(
        inputs=[prefix, suffix, count, longest, language],
        outputs=[component for slot in slots for component in slot],
        to_request=to_request,
        render=render,
    )


def _slot(ctx: DemoContext, visible: bool) -> Slot:
    code = gr.Code(
        language="python",
        lines=9,
        max_lines=24,
        label=ctx.t("complete.result"),
        interactive=False,
        visible=visible,
        wrap_lines=True,
    )
    return code, gr.Markdown("", visible=visible, elem_classes=["verdict"])


def _filled(slots: Sequence[Slot], codes: Sequence[str], notes: Sequence[str], language: str) -> dict[Block, Any]:
    """One slot a candidate, best first; the others hidden."""
    updates: dict[Block, Any] = {}
    coloured = language if language in HIGHLIGHTED else None
    for number, (code, note) in enumerate(slots):
        shown = number < len(codes)
        updates[code] = (
            gr.update(value=codes[number], language=coloured, visible=True) if shown else gr.update(visible=False)
        )
        updates[note] = gr.update(value=notes[number], visible=True) if shown else gr.update(visible=False)
    return updates


def describe(candidate: Candidate) -> str:
    """Whether a candidate says something, and whether the result parses."""
    if not candidate.text.strip():
        return say("complete.nothing")
    if candidate.syntax_ok is None:
        return ""
    return say("complete.valid" if candidate.syntax_ok else "complete.invalid")


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def complete(
        prefix: str,
        suffix: str = "",
        language: str = PYTHON,
        max_new_tokens: int = 96,
        model: str = "auto",
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Continue code at a cursor; the completion so far streams while the model writes.

        Args:
            prefix: Code before the cursor.
            suffix: Code after the cursor.
            language: Programming language; the embedded model knows python only.
            max_new_tokens: Longest completion in tokens, 1 to 1024.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with text (what to insert at the cursor), model and seconds.
        """
        fields = {"prefix": prefix, "suffix": suffix, "language": language, "max_new_tokens": max_new_tokens}
        async for record in serve(ctx, TASK, fields, model, request):
            yield record

    return complete


DEMO = Demo(slug="complete", order=50, icon="›_", task=TASK, build=build, endpoint=endpoint)
