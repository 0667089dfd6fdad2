"""The tokens of a text with their probabilities and what else was likely: what the browser draws; see `_drawn`."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from gradio.components import Component

from demos._drawn import drawn_view, encoded
from demos._workbench import PRIVATE
from llm_core.types import Token

ALTERNATIVES = 5
"""Of each token."""
_BROKEN = "\ufffd"
"""Part of a character: not a text that one could go on from."""


def tokens_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_tokens` gives, or empty."""
    return drawn_view("tokens", elem_id)


def let_continue(view: gr.HTML, beginning: Component, run_id: str) -> None:
    """Put the text up to an alternative that a visitor chose into `beginning`, and press the button `run_id`."""
    chosen = view.input(None, view, beginning, js="(value) => JSON.parse(value).chosen", **PRIVATE)
    chosen.then(None, js=f"() => setTimeout(() => document.querySelector('#{run_id}').click(), 60)", **PRIVATE)


def describe_tokens(tokens: Sequence[Token], beginning: str = "") -> str:
    """Value of the view.

    Args:
        tokens: In order.
        beginning: What stood before them and was not written by the model.
    """
    rows = [
        [
            token.text,
            None if token.probability is None else round(token.probability, 4),
            [[text, round(chance, 4)] for text, chance in token.alternatives if _BROKEN not in text],
        ]
        for token in tokens
    ]
    return encoded({"beginning": beginning, "tokens": rows})
