"""What the views of a forward pass are told, as data that the browser draws; see `_drawn`."""

from __future__ import annotations

from typing import Any

from demos._drawn import encoded
from llm_core.tasks.under_the_hood import InspectionResult
from llm_core.tasks.under_the_hood.task import Guess, StackView

DECODER, ENCODER = "showcase-decoder", "auto"
"""Which model to offer where the chosen one lacks what a view shows; a text with a gap finds its encoder itself."""
_DIGITS = 4


def describe_sampling(result: InspectionResult) -> str:
    """Value of the view of the next token."""
    if result.next_token is None:
        return encoded({"offer": DECODER})
    last = result.stacks[-1]
    return encoded(
        {
            "text": last.text,
            "pieces": list(result.next_token.pieces),
            "logits": list(result.next_token.logits),
            "grows": result.kind == "decoder",
        }
    )


def describe_attention(result: InspectionResult) -> str:
    """Value of the view of who looks at whom."""
    kinds = [{"rows": view.rows, "columns": view.columns, "weights": view.thousandths} for view in result.attention]
    return encoded({"pieces": {stack.name: _names(stack) for stack in result.stacks}, "kinds": kinds})


def describe_layers(result: InspectionResult) -> str:
    """Value of the view of what each layer would say."""
    layers = [[_rounded(guesses) for guesses in layer] for layer in result.layers]
    return encoded({"pieces": _names(result.stacks[-1]), "layers": layers, "ahead": result.kind != "encoder"})


def _names(stack: StackView) -> list[str]:
    return [piece.text for piece in stack.pieces]


def _rounded(guesses: tuple[Guess, ...]) -> list[list[Any]]:
    return [[piece, round(chance, _DIGITS)] for piece, chance in guesses]
