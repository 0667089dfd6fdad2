"""One forward pass of a model of ours, reduced to what can be shown: pieces, attention, every layer's guess.

A text with ``[MASK]`` goes to a model that guesses hidden words; otherwise its language decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from llm_core.backends.base import ForwardPass, Reading, Traces
from llm_core.catalog import Catalog, ModelSpec
from llm_core.limits import check_text
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result
from llm_core.tasks.language import is_chinese, reads
from llm_core.tasks.under_the_hood.reduce import Array, Guess, Points, likeliest, planes, thousandths

MAX_PIECES = 48
"""Of a text: attention has as many numbers as their square, for each head of each layer."""
MAX_CHARS = 1_000
MASK = "[MASK]"
_GUESSES, _LENS_GUESSES, _NAMED = 10, 5, 200
_START_OF_TAG = ">>"

Stack = Literal["encoder", "decoder"]


class InspectionRequest(Request):
    """What to run through the model."""

    text: Annotated[str, Field(max_length=MAX_CHARS), AfterValidator(check_text)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class InspectedPiece(_Part):
    """A piece of a text, and where it is in it."""

    text: str
    """As in the vocabulary: blanks are ``▁``, a byte is ``<0xE4>``."""
    id: int
    start: int
    end: int
    """Characters ``start:end`` of the stack's text; empty for special tokens."""
    log_probability: float | None
    """Natural logarithm of its unigram probability in the vocabulary; None where the vocabulary has none."""


class EmbeddingMap(_Part):
    """The pieces' vectors in one layer, on the plane along which they differ most."""

    points: Points
    explained: float
    """Share of the variance that the plane shows, 0…1."""


class StackView(_Part):
    """What one stack reads."""

    name: Stack
    text: str
    pieces: tuple[InspectedPiece, ...]
    maps: tuple[EmbeddingMap, ...] = Field(exclude=True)
    """Of what enters the first layer, then of each layer's output."""


class AttentionView(_Part):
    """Who looks at whom: every layer and head of one kind of attention."""

    rows: Stack
    """Whose pieces look."""
    columns: Stack
    """Whose pieces are looked at."""
    thousandths: tuple[tuple[tuple[tuple[int, ...], ...], ...], ...]
    """By layer, head, row, column; a row sums to 1,000, up to rounding."""


class NextToken(_Part):
    """What may come after the last piece."""

    pieces: tuple[str, ...]
    """The most probable, best first."""
    logits: tuple[float, ...]
    """Of the whole vocabulary, largest first; the first belong to `pieces`."""


class Hidden(_Part):
    """A hidden piece and what the model takes it for."""

    position: int
    """Among the encoder's pieces."""
    guesses: tuple[Guess, ...]


class InspectionResult(Result):
    """A forward pass; which parts there are depends on the kind of model."""

    record_fields: ClassVar[tuple[str, ...]] = ("kind", "stacks", "layers", "hidden", "next")

    kind: Literal["encoder", "decoder", "translator"]
    stacks: tuple[StackView, ...]
    """Encoder first."""
    attention: tuple[AttentionView, ...]
    """Each stack's own, then across."""
    layers: tuple[tuple[tuple[Guess, ...], ...], ...]
    """By layer (0: the embedding) and piece of the last stack: what the model would say there (the logit lens)."""
    hidden: tuple[Hidden, ...]
    """Encoders: every ``[MASK]``."""
    next: tuple[Guess, ...]
    """Decoders and translators: the most probable next pieces, at temperature 1."""
    next_token: NextToken | None
    """The same in full."""


class UnderTheHoodTask:
    """See `Task`."""

    name: ClassVar[str] = "under_the_hood"
    request_type: ClassVar[type[InspectionRequest]] = InspectionRequest

    def candidates(self, catalog: Catalog, request: InspectionRequest) -> tuple[ModelSpec, ...]:
        """Those that can fill a gap first if there is one, then those that read the language; no one is left out."""

        def unfit(spec: ModelSpec) -> tuple[bool, bool]:
            return MASK in request.text and spec.head != "masked_lm", not reads(spec, request.text.replace(MASK, ""))

        return tuple(sorted(catalog.for_task(self.name), key=unfit))

    def run(self, session: Session, request: InspectionRequest) -> Steps[InspectionResult]:
        """See `Task.run`.

        Raises:
            InputError: The text has more than `MAX_PIECES` pieces.
        """
        yield from ()
        target = None
        if session.spec.head == "seq2seq" and not request.text.startswith(_START_OF_TAG):
            target = "en" if is_chinese(request.text) else "zh"
        return reduced(session.open(Traces).trace(request.text, MAX_PIECES, session.cancel, target))


def reduced(found: ForwardPass) -> InspectionResult:
    """A forward pass as a result."""
    stacks: list[tuple[Stack, Reading]] = []
    if found.encoder is not None:
        stacks.append(("encoder", found.encoder))
    if found.decoder is not None:
        stacks.append(("decoder", found.decoder))
    last = found.logits[-1]
    next_token = None if found.decoder is None else _next_token(last[-1], found.vocabulary)
    return InspectionResult(
        kind="translator" if len(stacks) == 2 else stacks[0][0],
        stacks=tuple(_stack(*stack) for stack in stacks),
        attention=tuple(_attention(found, stacks)),
        layers=tuple(tuple(likeliest(row, found.vocabulary, _LENS_GUESSES) for row in layer) for layer in found.logits),
        hidden=() if found.decoder is not None else tuple(_hidden(found)),
        next=() if next_token is None else likeliest(last[-1], found.vocabulary, _GUESSES),
        next_token=next_token,
    )


def _stack(name: Stack, reading: Reading) -> StackView:
    pieces = tuple(
        InspectedPiece(
            text=piece.text, id=piece.id, start=piece.start, end=piece.end, log_probability=piece.log_probability
        )
        for piece in reading.pieces
    )
    maps = (EmbeddingMap(points=points, explained=explained) for points, explained in planes(reading.hidden_states))
    return StackView(name=name, text=reading.text, pieces=pieces, maps=tuple(maps))


def _attention(found: ForwardPass, stacks: list[tuple[Stack, Reading]]) -> Iterator[AttentionView]:
    views = [(name, name, reading.attention) for name, reading in stacks]
    if found.cross_attention is not None:
        views.append(("decoder", "encoder", found.cross_attention))
    for rows, columns, weights in views:
        yield AttentionView(rows=rows, columns=columns, thousandths=thousandths(weights))


def _hidden(found: ForwardPass) -> Iterator[Hidden]:
    assert found.encoder is not None
    for position, piece in enumerate(found.encoder.pieces):
        if piece.id == found.mask_id:
            guesses = likeliest(found.logits[-1, position], found.vocabulary, _GUESSES)
            yield Hidden(position=position, guesses=guesses)


def _next_token(logits: Array, vocabulary: tuple[str, ...]) -> NextToken:
    order = np.argsort(-logits, kind="stable")
    return NextToken(
        pieces=tuple(vocabulary[i] for i in order[:_NAMED]),
        logits=tuple(round(float(logit), 3) for logit in logits[order]),
    )


TASK = UnderTheHoodTask()
