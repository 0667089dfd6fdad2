"""Which words drove an answer: the panel that all tabs with a classifier, tagger or reader share, and the endpoint.

What the browser draws is data; see `_drawn`.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from demos._api import Record, serve
from demos._card import card_text
from demos._demo import DemoContext
from demos._drawn import drawn_view, encoded
from demos._handler import Updates
from demos._stream import View
from demos._workbench import Workbench
from llm_core.tasks.explain import TASK, ExplainResult, WordWeight
from llm_core.training.card_explanations import has_explanations

MAX_CHOICES = 12
"""Labels or entities that are offered."""


class ExplainPanel:
    """The button that explains the answer of a frame's task, and the words with their weights.

    Args:
        bench: The frame; made within its `details`.
    """

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.button = gr.Button(bench.ctx.t("explain.button"), elem_id=f"{bench.name}-explain")
        self.view = drawn_view("explain", f"{bench.name}-explained")

    def connect(self, inputs: Sequence[Component], to_request: Callable[..., Mapping[str, Any]]) -> None:
        """Wire the button, and the choices in the view, once the frame is connected.

        Args:
            inputs: As those of the frame.
            to_request: Maps their values to `text`, and `question` or `label_set`, of an `ExplainRequest`.
        """
        of = {"of": self.bench.task.name}

        def asked(*values: Any) -> dict[str, Any]:
            return {**of, **to_request(*values[: len(inputs)]), **chosen_in(values[len(inputs) :])}

        def render(view: View, *values: Any) -> Updates:
            is_measured = view.stats is not None and is_faithfulness_measured(self.bench.ctx, view.stats.model_id)
            return {self.view: describe_explanation(asked(*values), view.result, is_measured)}

        for trigger, further in ((self.button.click, []), (self.view.input, [self.view])):
            self.bench.connect_also(
                trigger, TASK, inputs=[*inputs, *further], outputs=[self.view], to_request=asked, render=render
            )


def chosen_in(values: Sequence[Any]) -> dict[str, Any]:
    """Which answer the view's visitor wants to have explained; nothing of what is not the view's own value."""
    try:
        chosen = json.loads(values[0])["chosen"] if values else {}
        return {name: chosen[name] for name in ("label", "start") if name in chosen}
    except (ValueError, TypeError, KeyError):
        return {}


def is_faithfulness_measured(ctx: DemoContext, model_id: str) -> bool:
    """Whether the card of a model tells how faithful its explanations are."""
    return model_id in ctx.catalog and has_explanations(card_text(ctx, ctx.catalog[model_id]))


def describe_explanation(asked: Mapping[str, Any], result: ExplainResult, is_measured: bool = False) -> str:
    """Value of the view.

    Args:
        asked: Fields of the request.
        result: What came of it.
        is_measured: Whether the model's card tells how faithful that is.
    """
    kind, text, question = asked["of"], asked["text"], asked.get("question") or ""
    shown = result.explained
    odds = kind != "answer"
    return encoded(
        {
            "kind": kind,
            "explained": [shown.label, round(shown.score, 4), shown.text],
            "choices": [
                [each.label, round(each.score, 4), each.text, each.start, each == shown]
                for each in result.choices[:MAX_CHOICES]
            ],
            "question": pieces(question, result.question_words, 0, len(question)),
            "text": pieces(text, result.words, result.start, result.end),
            "cut": [result.start > 0, result.end < len(text)],
            "from": _chance(result.baseline) if odds else round(result.baseline, 2),
            "to": _chance(result.output) if odds else round(result.output, 2),
            "missed": _missed(result),
            "measured": is_measured,
        }
    )


def pieces(text: str, words: Sequence[WordWeight], start: int, end: int) -> list[list[Any]]:
    """Characters ``start:end`` of the text in pieces that add up to them: words with their weight, the rest without."""
    found: list[list[Any]] = []
    position = start
    for word in words:
        if word.start > position:
            found.append([text[position : word.start], None])
        found.append([text[max(position, word.start) : word.end], round(word.weight, 3)])
        position = max(position, word.end)
    return found + ([[text[position:end], None]] if position < end else [])


def _chance(log_odds: float) -> float:
    return round(0.5 * (1 + math.tanh(log_odds / 2)), 4)


def _missed(result: ExplainResult) -> float:
    """The completeness error as a share of all weights together."""
    weights = sum(abs(word.weight) for word in (*result.words, *result.question_words))
    return round(abs(result.completeness_error) / weights, 4) if weights else 0.0


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`; there is no tab of this name."""

    async def explain(
        of: str,
        text: str,
        question: str | None = None,
        label_set: str | None = None,
        label: str | None = None,
        start: int | None = None,
        model: str = "auto",
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Tell which words drove an answer: each word's weight by integrated gradients of the model's own output.

        Args:
            of: The task whose answer is explained: classify, sentiment, entities or answer.
            text: What it reads; of answer, the context.
            question: Of answer, the question.
            label_set: Of classify, the name of a ready label set.
            label: Of classify and sentiment, the label to explain; the likeliest if it is left out.
            start: Of entities, the first character of the entity to explain; the least sure one if it is left out.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with explained, words (start, end and weight of each), output, baseline, completeness_error, model
            and seconds.
        """
        fields = {
            "of": of, "text": text, "question": question, "label_set": label_set, "label": label, "start": start,
        }  # fmt: skip
        async for record in serve(ctx, TASK, fields, model, request):
            yield record

    return explain
