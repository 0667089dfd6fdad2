"""Code completion: what comes next at the cursor, while one types; by probability, checked, accepted whole or in part.

A second view asks the model about a piece of code.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from demos._api import Record, serve
from demos._batch import BatchPanel
from demos._compare import ComparePanel
from demos._completions import completions_view, describe_completions, describe_draft, let_accept
from demos._demo import Demo, DemoContext
from demos._handler import Updates
from demos._stream import View
from demos._tokens import ALTERNATIVES, describe_tokens, let_continue, tokens_view
from demos._workbench import Workbench
from demos.generate import follows_instructions
from llm_core.errors import BackendError
from llm_core.limits import MAX_NEW_TOKENS
from llm_core.tasks.code_check import CodeCheck, check_code
from llm_core.tasks.complete import LANGUAGES, MAX_CANDIDATES, PYTHON, TASK, CompleteResult
from llm_core.tasks.generate import TASK as GENERATE
from llm_core.tasks.generate import GenerateResult
from llm_core.tasks.prompts import CODE_WRITINGS

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
SETTINGS = ("temperature=0.8", "candidates=1", "candidates=4", "max_new_tokens=32")
"""To compare with."""
ASK = "ask"
ASK_SETTINGS = ("temperature=0.8", "temperature=0", "repeat_penalty=1.2", "seed=1", "seed=2")
"""To compare answers about code with."""
QUESTIONS = {
    "Explain": ("explain_code", EXAMPLES["Is it a palindrome?"] + "    return text == text[::-1]\n"),
    "Write tests": ("write_tests", "def clamp(value, low, high):\n    return max(low, min(value, high))\n"),
    "Add a docstring": ("add_docstring", "def mean(numbers):\n    return sum(numbers) / len(numbers)\n"),
}


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    with gr.Tabs(elem_classes=["views"]):
        with gr.Tab(ctx.t("complete.complete"), id="complete"):
            _build_completion(ctx)
        with gr.Tab(ctx.t("complete.ask"), id=ASK):
            _build_questions(ctx)


def _build_completion(ctx: DemoContext) -> None:
    bench = Workbench(ctx, DEMO.slug, TASK)
    with bench.frame():
        with bench.fields():
            prefix = gr.Code(
                value="", language="python", lines=12, max_lines=20, label=ctx.t("complete.prefix"), interactive=True,
                elem_id="complete-prefix",
            )  # fmt: skip
            gr.Checkbox(True, label=ctx.t("complete.live"), elem_id="complete-live", container=False, interactive=True)
            gr.Markdown(ctx.t("access.editor"), elem_classes=["note"])
            typed = gr.Button(elem_id="complete-typed", elem_classes=["unseen"])
            with gr.Accordion(ctx.t("common.settings"), open=False):
                count = gr.Slider(1, MAX_CANDIDATES, 2, step=1, label=ctx.t("complete.count"))
                longest = gr.Slider(16, MAX_NEW_TOKENS, 96, step=16, label=ctx.t("complete.max_new_tokens"))
                probabilities = gr.Checkbox(False, label=ctx.t("generate.probabilities"))
                language = gr.Dropdown(list(LANGUAGES), value=PYTHON, label=ctx.t("complete.language"))
                doctests = gr.Checkbox(False, label=ctx.t("complete.doctests"), visible=ctx.settings.run_code)
                suffix = gr.Code(
                    value="", language="python", lines=3, max_lines=10, label=ctx.t("complete.suffix"), interactive=True
                )
        with bench.results():
            completions = completions_view("complete-completions")
        with bench.details():
            tokens = tokens_view("complete-tokens")
        bench.examples([[code] for code in EXAMPLES.values()], [prefix], list(EXAMPLES))
        compare = ComparePanel(bench, SETTINGS)
    let_accept(completions, prefix)
    let_continue(tokens, prefix, f"{DEMO.slug}-run")

    def to_request(
        prefix: str, suffix: str, count: int, longest: int, probabilities: bool, language: str, doctests: bool
    ) -> dict[str, Any]:
        return {
            "top_alternatives": ALTERNATIVES if probabilities else 0,
            "prefix": prefix,
            "suffix": suffix or "",
            "candidates": count,
            "max_new_tokens": longest,
            "language": language,
        }

    def render(
        view: View,
        prefix: str,
        suffix: str,
        count: int,
        longest: int,
        probabilities: bool,
        language: str,
        doctests: bool,
    ) -> Updates:
        if view.result is None:
            return {completions: describe_draft(prefix, list(view.texts.values())), tokens: ""}
        run = bool(doctests) and ctx.settings.run_code
        checks = checked(view.result, prefix, suffix or "", python=language == PYTHON, run_doctests=run)
        best = view.result.candidates[0]
        return {
            completions: describe_completions(prefix, view.result, checks),
            tokens: describe_tokens(best.tokens, prefix) if best.tokens else "",
        }

    inputs = [prefix, suffix, count, longest, probabilities, language, doctests]
    outputs = [completions, tokens]
    bench.connect(inputs=inputs, outputs=outputs, to_request=to_request, render=render, restart=[typed.click])
    compare.connect(inputs, to_request, code=True)
    BatchPanel(bench, [longest, language], lambda longest, language: {"max_new_tokens": longest, "language": language})


def _build_questions(ctx: DemoContext) -> None:
    bench = Workbench(ctx, ASK, GENERATE)
    with bench.frame():
        with bench.fields():
            question = gr.Radio(
                [(ctx.t(f"complete.ask_{name}"), name) for name in CODE_WRITINGS],
                value=next(iter(CODE_WRITINGS)),
                label=ctx.t("complete.question"),
            )
            code = gr.Code(value="", language="python", lines=9, max_lines=20, label=ctx.t("complete.code"))
        with bench.results():
            answer = gr.Markdown(
                "", label=ctx.t("complete.answer"), show_label=True, container=True, buttons=["copy"],
                elem_id="ask-answer", elem_classes=["answer-text", "tall"],
            )  # fmt: skip
        bench.examples([list(sample) for sample in QUESTIONS.values()], [question, code], list(QUESTIONS))
        compare = ComparePanel(bench, ASK_SETTINGS, fits=follows_instructions)

    def to_request(question: str, code: str) -> dict[str, Any]:
        return {"template": question, "prompt": code, "temperature": 0.2, "max_new_tokens": 320}

    def render(view: View, question: str, code: str) -> Updates:
        result: GenerateResult | None = view.result
        return {answer: view.text if result is None else result.text}

    bench.connect(inputs=[question, code], outputs=[answer], to_request=to_request, render=render)
    compare.connect([question, code], to_request)


def checked(
    result: CompleteResult, prefix: str, suffix: str, *, python: bool, run_doctests: bool
) -> list[CodeCheck | None]:
    """What is to be said about the code with each completion; the doctests of the best one alone are run."""
    codes = [prefix + candidate.text + suffix for candidate in result.candidates]
    if not python:
        return [None] * len(codes)
    return [_check(code, run_doctests and place == 0) for place, code in enumerate(codes)]


def _check(code: str, run_doctests: bool) -> CodeCheck | None:
    try:
        return check_code(code, run_doctests=run_doctests)
    except BackendError:  # the completion is worth more than what is said about it
        logging.getLogger(__name__).warning("the completed code could not be checked", exc_info=True)
        return None


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
