"""A decoder's prompt that keeps apart what a template wrote and what people wrote.

A chat template marks turns by special tokens such as ``<|im_start|>``. A visitor who types that string must not open a
turn, so a prompt is a row of segments: in markup, special tokens are recognised; in literal text, they are ordinary
characters. `Prompt` is a `str` all the same, so that a runtime without special tokens may ignore the difference. A
`Conversation` is for servers that have the template themselves.

The module knows no template and no tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt."""

    text: str
    literal: bool
    """Whether special tokens in it are ordinary characters."""


class Prompt(str):
    """Text made of segments.

    Args:
        segments: In order; empty ones are left out, neighbours of the same kind become one.
    """

    segments: tuple[Segment, ...]

    def __new__(cls, *segments: Segment) -> Self:
        """Joins the segments' texts."""
        prompt = super().__new__(cls, "".join(segment.text for segment in segments))
        prompt.segments = _merged(segments)
        return prompt


class Conversation(Prompt):
    """Messages that a server puts into its own template; as a string, their contents in paragraphs.

    Args:
        messages: Role (``system``, ``user`` or ``assistant``) and content.
        beginning: Of the answer, which the server is to go on from.
    """

    messages: tuple[tuple[str, str], ...]
    beginning: str

    def __new__(cls, messages: Sequence[tuple[str, str]], beginning: str = "") -> Self:
        """All of it is literal text."""
        texts = [*(content for _, content in messages), beginning]
        conversation = super().__new__(cls, literal("\n\n".join(text for text in texts if text)))
        conversation.messages, conversation.beginning = tuple(messages), beginning
        return conversation


def markup(text: str) -> Segment:
    """A stretch that a template wrote."""
    return Segment(text, literal=False)


def literal(text: str) -> Segment:
    """A stretch that people or a model wrote."""
    return Segment(text, literal=True)


def segments_of(prompt: str) -> tuple[Segment, ...]:
    """The segments of a prompt; a plain string is all markup."""
    if isinstance(prompt, Prompt):
        return prompt.segments
    return (markup(prompt),) if prompt else ()


def _merged(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    merged: list[Segment] = []
    for segment in segments:
        if merged and merged[-1].literal == segment.literal:
            merged[-1] = Segment(merged[-1].text + segment.text, segment.literal)
        elif segment.text:
            merged.append(segment)
    return tuple(merged)
