"""Questions answered from a text: the span that answers, with its place and probability, or an honest "not in the
text".

A long text is cut into overlapping passages, which are ranked by likeness to the question: of meaning, or, in Chinese,
which the embedded model of meanings does not read, of characters. The reader reads the best few and the span it is
surest of wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from llm_core.backends.base import Embeds, ExtractsSpans, Span
from llm_core.catalog import Catalog, ModelSpec
from llm_core.limits import Document, check_text
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result
from llm_core.tasks.language import check_language, is_chinese, readers
from llm_core.tasks.sentences import Range, split_windows, units

MAX_QUESTION_CHARS = 300
WHOLE_UNITS = 2_400
"""Texts up to this length are read as they are: the reader's own windows cover them."""
PASSAGE_UNITS = 1_000
OVERLAP_UNITS = 250
READ_PASSAGES = 8
"""Of a ranked text, how many passages are read."""
SHOWN_ALTERNATIVES = 3


class AnswerRequest(Request):
    """A question and the text that may answer it."""

    question: Annotated[str, Field(max_length=MAX_QUESTION_CHARS), AfterValidator(check_text)]
    context: Document


class Candidate(BaseModel):
    """Characters ``start:end`` of the context as a possible answer."""

    model_config = ConfigDict(frozen=True)

    start: int
    end: int
    text: str
    probability: float


class Passage(BaseModel):
    """A part of the context that was read."""

    model_config = ConfigDict(frozen=True)

    start: int
    end: int
    similarity: float | None
    """Cosine to the question, -1..1; ``None`` when there was nothing to rank."""
    best: Candidate


class AnswerResult(Result):
    """The answer as written in the context."""

    record_fields: ClassVar[tuple[str, ...]] = ("answer", "start", "end", "score")

    answer: str
    """``""`` when the context does not answer the question."""
    start: int
    """First character in the context; 0 when there is no answer, as is `end`."""
    end: int
    score: float
    """Probability that `answer` is right; without an answer: that the best span, which is not shown, is wrong."""
    passages: tuple[Passage, ...]
    """What was read, the most promising first."""
    passages_total: int
    alternatives: tuple[Candidate, ...]
    """Other spans, best first; all that were found when there is no answer."""


@dataclass(frozen=True)
class _Chosen:
    """The passages of one request that will be read."""

    ranges: list[Range]
    similarities: list[float | None]
    total: int


class AnswerTask:
    """See `Task`."""

    name: ClassVar[str] = "answer"
    request_type: ClassVar[type[AnswerRequest]] = AnswerRequest

    def candidates(self, catalog: Catalog, request: AnswerRequest) -> tuple[ModelSpec, ...]:
        """See `Task.candidates`."""
        specs = readers(catalog.for_task("answer"), "question", request.question)
        return readers(specs, "context", request.context)

    def run(self, session: Session, request: AnswerRequest) -> Steps[AnswerResult]:
        """See `Task.run`."""
        yield from ()
        return self.run_many(session, [request])[0]

    def run_many(self, session: Session, requests: Sequence[AnswerRequest]) -> list[AnswerResult]:
        """Results of many requests with one call of the reader."""
        for request in requests:
            check_language(session.spec, "question", request.question)
            check_language(session.spec, "context", request.context)
        reader = session.open(ExtractsSpans)
        chosen = [_choose(session, request) for request in requests]
        pairs = [
            (request.question, place.of(request.context))
            for request, plan in zip(requests, chosen, strict=True)
            for place in plan.ranges
        ]
        spans = reader.extract([question for question, _ in pairs], [text for _, text in pairs], session.cancel)
        results, position = [], 0
        for request, plan in zip(requests, chosen, strict=True):
            part = spans[position : position + len(plan.ranges)]
            results.append(_result(request.context, plan, part, reader))
            position += len(part)
        return results


def _choose(session: Session, request: AnswerRequest) -> _Chosen:
    """The passages to read, the likest to the question first."""
    context = request.context
    if units(context) <= WHOLE_UNITS:
        return _Chosen([Range(0, len(context))], [None], 1)
    places = split_windows(context, PASSAGE_UNITS, OVERLAP_UNITS)
    passages = [place.of(context) for place in places]
    if is_chinese(request.question):
        similarities = _by_characters(request.question, passages)
    else:
        vectors = session.companion("embed", Embeds).embed([request.question, *passages], session.cancel)
        similarities = np.asarray(vectors[1:]) @ np.asarray(vectors[0])
    order = np.argsort(-similarities)[:READ_PASSAGES]
    return _Chosen([places[i] for i in order], [float(similarities[i]) for i in order], len(places))


def _by_characters(question: str, passages: Sequence[str]) -> NDArray[np.float32]:
    """Cosines of TF-IDF weights of single characters and pairs, one for each passage."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # takes long to import

    weigher = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
    weights = weigher.fit_transform([question, *passages])
    return np.asarray((weights[1:] @ weights[0].T).toarray())[:, 0]


def _result(context: str, plan: _Chosen, spans: Sequence[Span], reader: ExtractsSpans) -> AnswerResult:
    passages = [
        Passage(start=place.start, end=place.end, similarity=similarity, best=_candidate(context, place, span, reader))
        for place, similarity, span in zip(plan.ranges, plan.similarities, spans, strict=True)
    ]
    best = max(range(len(spans)), key=lambda index: spans[index].score - spans[index].null_score)
    answered = spans[best].score > spans[best].null_score and bool(passages[best].best.text)
    answer = passages[best].best
    rivals = sorted((passage.best for passage in passages), key=lambda candidate: -candidate.probability)
    return AnswerResult(
        answer=answer.text if answered else "",
        start=answer.start if answered else 0,
        end=answer.end if answered else 0,
        score=answer.probability if answered else 1.0 - answer.probability,
        passages=tuple(passages),
        passages_total=plan.total,
        alternatives=_distinct(
            [rival for rival in rivals if rival.text and not (answered and _overlap(rival, answer))]
        ),
    )


def _candidate(context: str, place: Range, span: Span, reader: ExtractsSpans) -> Candidate:
    start, end = place.start + span.start, place.start + span.end
    return Candidate(start=start, end=end, text=context[start:end], probability=reader.answer_probability(span))


def _distinct(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The first few, without those that overlap a better one (passages overlap)."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if not any(_overlap(candidate, other) for other in kept):
            kept.append(candidate)
    return tuple(kept[:SHOWN_ALTERNATIVES])


def _overlap(one: Candidate, other: Candidate) -> bool:
    return one.start < other.end and other.start < one.end


TASK = AnswerTask()
