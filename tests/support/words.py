"""The sentences that code gives to a call, read from its source: so that a new one without a translation is found."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

FILLER = "7"
"""Stands for what is filled in: a number, which rules take for a word as well."""


def sentences_in(arguments: Iterable[ast.expr], tree: ast.Module) -> Iterator[str]:
    """Strings and f-strings among arguments of a call, those of conditions and of the module's own names included.

    Args:
        arguments: Of the call.
        tree: The module.
    """
    named = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for argument in arguments:
        match argument:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=parts):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else FILLER for part in parts)
            case ast.IfExp(body=body, orelse=other):
                yield from sentences_in((body, other), tree)
            case ast.BinOp(left=left, right=right):
                for first in sentences_in([left], tree):
                    yield from (first + second for second in sentences_in([right], tree) or [""])
            case ast.Name(id=name) if name in named:
                yield from sentences_in([named[name]], ast.Module([], []))
            case ast.Call(func=ast.Attribute(value=value, attr="format")):
                yield from (text.replace("{id}", FILLER) for text in sentences_in([value], tree))
