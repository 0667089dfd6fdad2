"""A decoder's prompt that keeps apart what a template wrote and what people wrote.

A chat template marks turns by special tokens such as ``<|im_start|>``. A visitor who types that string must not open a
turn, so a prompt is a row of segments: in markup, special tokens are recognised; in literal text, they are ordinary
characters. `Prompt` is a `str` all the same, so that a runtime without special tokens may ignore the difference.

The module knows no template and no tokenizer.
"""

from __future__ import annotations

from dataclasses import dataclass


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

    def __new__(cls, *segments: Segment) -> Prompt:
        """Joins the segments' texts."""
        prompt = super().__new__(cls, "".join(segment.text for segment in segments))
        prompt.segments = _merged(segments)
        return prompt


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
