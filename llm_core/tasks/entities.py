"""Named entities: who, where and which organisation a text names, with exact places and probabilities.

A text is read sentence by sentence, as the models learned it; what is named again and again is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from llm_core.backends.base import NamedSpan, Tags
from llm_core.catalog import Catalog, ModelSpec
from llm_core.limits import Text
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result
from llm_core.tasks.language import check_language, readers
from llm_core.tasks.sentences import Range, split_sentences

KINDS = ("PER", "ORG", "LOC")
"""Persons, organisations and places: what every model here tells apart."""


class EntitiesRequest(Request):
    """What to read."""

    text: Text


class Entity(BaseModel):
    """Characters ``start:end`` of the text as something it names."""

    model_config = ConfigDict(frozen=True)

    text: str
    label: str
    start: int
    end: int
    score: float
    """Calibrated probability that place and type are right."""


class Mention(BaseModel):
    """One name, wherever the text has it."""

    model_config = ConfigDict(frozen=True)

    text: str
    label: str
    count: int
    sentences: int
    """How many of the text's sentences name it."""
    score: float
    """Of the surest of them."""


class EntitiesResult(Result):
    """What a text names, from left to right, and how often."""

    record_fields: ClassVar[tuple[str, ...]] = ("entities",)

    entities: tuple[Entity, ...]
    mentions: tuple[Mention, ...]
    """The same names counted, the most frequent first."""
    sentences: int
    """How many were read."""


class EntitiesTask:
    """See `Task`."""

    name: ClassVar[str] = "entities"
    request_type: ClassVar[type[EntitiesRequest]] = EntitiesRequest

    def candidates(self, catalog: Catalog, request: EntitiesRequest) -> tuple[ModelSpec, ...]:
        """See `Task.candidates`."""
        return readers(catalog.for_task("entities"), "text", request.text)

    def run(self, session: Session, request: EntitiesRequest) -> Steps[EntitiesResult]:
        """See `Task.run`."""
        yield from ()
        return self.run_many(session, [request])[0]

    def run_many(self, session: Session, requests: Sequence[EntitiesRequest]) -> list[EntitiesResult]:
        """Results of many requests with one call of the model."""
        for request in requests:
            check_language(session.spec, "text", request.text)
        model = session.open(Tags)
        plans = [split_sentences(request.text) for request in requests]
        texts = [place.of(request.text) for request, plan in zip(requests, plans, strict=True) for place in plan]
        spans = iter(model.tag(texts, session.cancel))
        return [
            _result(request.text, plan, [next(spans) for _ in plan])
            for request, plan in zip(requests, plans, strict=True)
        ]


def _result(text: str, sentences: Sequence[Range], spans: Sequence[Sequence[NamedSpan]]) -> EntitiesResult:
    found = [[_entity(text, sentence, span) for span in own] for sentence, own in zip(sentences, spans, strict=True)]
    flat = tuple(entity for own in found for entity in own)
    return EntitiesResult(entities=flat, mentions=_mentions(found), sentences=len(sentences))


def _entity(text: str, sentence: Range, span: NamedSpan) -> Entity:
    start, end = sentence.start + span.start, sentence.start + span.end
    return Entity(text=text[start:end], label=span.label, start=start, end=end, score=span.score)


def _mentions(found: Sequence[Sequence[Entity]]) -> tuple[Mention, ...]:
    """Names in all sentences by how often they occur, then by where they come first."""
    places: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for number, own in enumerate(found):
        for entity in own:
            places.setdefault((entity.text, entity.label), []).append((number, entity.score))
    mentions = [
        Mention(
            text=text,
            label=label,
            count=len(seen),
            sentences=len({number for number, _ in seen}),
            score=max(score for _, score in seen),
        )
        for (text, label), seen in places.items()
    ]
    return tuple(sorted(mentions, key=lambda mention: -mention.count))


TASK = EntitiesTask()
