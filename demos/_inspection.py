"""What the views of a forward pass are told, as data that the browser draws; see `_drawn`."""

from __future__ import annotations

import math
from typing import Any

from demos._drawn import encoded
from llm_core.selection import AUTO
from llm_core.tasks.under_the_hood import InspectionResult
from llm_core.tasks.under_the_hood.reduce import Guess
from llm_core.tasks.under_the_hood.task import MASK, StackView

DECODER = "showcase-decoder"
"""Offered where the chosen model does not write. (A text with a gap finds its encoder by itself.)"""
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


def describe_pieces(result: InspectionResult) -> str:
    """Value of the view of how the text is cut."""
    stacks = [
        {
            "name": stack.name,
            "text": stack.text,
            "pieces": [
                [
                    piece.text,
                    piece.id,
                    piece.start,
                    piece.end,
                    None if piece.log_probability is None else math.exp(piece.log_probability),
                ]
                for piece in stack.pieces
            ],
        }
        for stack in result.stacks
    ]
    return encoded({"stacks": stacks})


def describe_maps(result: InspectionResult) -> str:
    """Value of the view of the pieces' vectors."""
    stacks = [
        {
            "name": stack.name,
            "pieces": _names(stack),
            "maps": [
                {
                    "points": [[round(x, _DIGITS), round(y, _DIGITS)] for x, y in each.points],
                    "explained": each.explained,
                }
                for each in stack.maps
            ],
        }
        for stack in result.stacks
    ]
    return encoded({"stacks": stacks})


def describe_hidden(result: InspectionResult) -> str:
    """Value of the view of hidden words."""
    first = result.stacks[0]
    return encoded(
        {
            "text": first.text,
            "pieces": [[piece.text, piece.start, piece.end] for piece in first.pieces],
            "hidden": [_rounded(gap.guesses) for gap in result.hidden],
            "guesses": result.kind == "encoder",
            "mask": MASK,
            **({} if result.kind == "encoder" else {"model": AUTO}),
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
