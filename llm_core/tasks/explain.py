"""Which words drove an answer: integrated gradients of the model's own output, word by word.

The answer is asked for first, of the task itself, and then explained: a label of a text (the one given or any other),
an entity (why these words are of that type), or the place of an answer. Values are in the units of what is explained:
log-odds for labels and entities, logits for answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_core.backends.base import Attributes, Attribution, Decision
from llm_core.catalog import Catalog, ModelSpec
from llm_core.data.words import by_word
from llm_core.errors import InputError
from llm_core.limits import Document, Label
from llm_core.session import Session, Steps
from llm_core.tasks.answer import MAX_QUESTION_CHARS, AnswerResult
from llm_core.tasks.base import Request, Result
from llm_core.tasks.classify import WINDOW_UNITS, ClassifyResult
from llm_core.tasks.entities import EntitiesResult
from llm_core.tasks.sentences import Range, split_sentences, split_windows, units
from llm_core.tasks.sentiment import SentimentResult
from llm_core.types import Progress

MAX_WINDOWS = 8
"""Of a long text, how many windows are explained; the result says up to where."""

Of = Literal["classify", "sentiment", "entities", "answer"]


class ExplainRequest(Request):
    """A request of another task, and which of its possible answers is to be explained."""

    of: Of
    """The task."""
    text: Document
    """Of `answer`, the context."""
    question: str | None = Field(default=None, max_length=MAX_QUESTION_CHARS)
    """Of `answer`."""
    label_set: Label | None = None
    """Of `classify`."""
    label: Label | None = None
    """Of `classify` and `sentiment`: the label to explain; without it, the likeliest."""
    start: int | None = Field(default=None, ge=0)
    """Of `entities`: first character of the entity to explain; without it, the one that is least sure."""


class WordWeight(BaseModel):
    """Characters ``start:end`` of a text and how much they moved the output: above zero towards what is explained."""

    model_config = ConfigDict(frozen=True)

    start: int
    end: int
    weight: float


class Choice(BaseModel):
    """An answer that can be explained."""

    model_config = ConfigDict(frozen=True)

    label: str
    score: float
    """Its probability."""
    text: str = ""
    """Of an entity or an answer: its characters ``start:end``."""
    start: int = 0
    end: int = 0


class ExplainResult(Result):
    """An answer and the words that drove it."""

    record_fields: ClassVar[tuple[str, ...]] = (
        "explained", "words", "question_words", "output", "baseline", "completeness_error", "start", "end"
    )  # fmt: skip

    explained: Choice
    choices: tuple[Choice, ...]
    """What could be explained as well."""
    words: tuple[WordWeight, ...]
    """Of the text."""
    question_words: tuple[WordWeight, ...] = ()
    output: float
    """What is explained: log-odds of a label or of an entity's type, logit of an answer."""
    baseline: float
    """The same for a text in which every token is padding."""
    completeness_error: float
    """By how much the weights miss their sum, ``output - baseline``."""
    start: int
    """Characters ``start:end`` of the text were read for this answer; the others have no weight."""
    end: int


@dataclass(frozen=True)
class _Part:
    """A stretch of the text that the model reads at once."""

    place: Range
    decision: Decision
    share: float
    """Of the whole."""


@dataclass(frozen=True)
class _Plan:
    explained: Choice
    choices: tuple[Choice, ...]
    parts: list[_Part]


class ExplainTask:
    """See `Task`."""

    name: ClassVar[str] = "explain"
    request_type: ClassVar[type[ExplainRequest]] = ExplainRequest

    def candidates(self, catalog: Catalog, request: ExplainRequest) -> tuple[ModelSpec, ...]:
        """Those of the task that run where gradients do."""
        task, asked = _asked(request)
        return tuple(spec for spec in task.candidates(catalog, asked) if spec.backend in ("transformers", "echo"))

    def run(self, session: Session, request: ExplainRequest) -> Steps[ExplainResult]:
        """See `Task.run`."""
        task, asked = _asked(request)
        [answer] = task.run_many(session, [asked])
        plan = _PLANS[request.of](request, answer, session.spec)
        model, found = session.open(Attributes), []
        for number, part in enumerate(plan.parts):
            yield Progress(number, len(plan.parts))
            found += model.attribute([part.decision], session.cancel)
        return _result(request, plan, found)


def _asked(request: ExplainRequest) -> tuple[Any, Any]:
    """The task and its own request."""
    from llm_core.tasks import find_task

    task = find_task(request.of)
    fields: dict[str, Any] = {"text": request.text}
    if request.of == "answer":
        fields = {"context": request.text, "question": request.question}
    elif request.of == "classify":
        fields["label_set"] = request.label_set
    return task, task.request_type.parse({name: value for name, value in fields.items() if value is not None})


def _label_plan(request: ExplainRequest, answer: ClassifyResult | SentimentResult, spec: ModelSpec) -> _Plan:
    choices = tuple(Choice(label=label, score=score) for label, score in answer.scores.items())
    wanted = (request.label or answer.label).lower()
    chosen = next((choice for choice in choices if choice.label.lower() == wanted), None)
    if chosen is None:
        raise InputError("label", f"must be one of {', '.join(answer.scores)}")
    label = next(each for each in spec.labels if each.lower() == chosen.label.lower())
    windows = (split_windows(request.text, WINDOW_UNITS) or [Range(0, len(request.text))])[:MAX_WINDOWS]
    lengths = [units(place.of(request.text)) for place in windows]
    parts = [
        _Part(place, Decision((place.of(request.text),), label), length / sum(lengths))
        for place, length in zip(windows, lengths, strict=True)
    ]
    return _Plan(chosen, tuple(sorted(choices, key=lambda choice: -choice.score)), parts)


def _entity_plan(request: ExplainRequest, answer: EntitiesResult, spec: ModelSpec) -> _Plan:
    choices = tuple(Choice(**entity.model_dump()) for entity in answer.entities)
    if not choices:
        raise InputError("text", "names nothing that could be explained")
    if request.start is None:
        chosen = min(choices, key=lambda choice: choice.score)
    else:
        found = [choice for choice in choices if choice.start == request.start]
        if not found:
            raise InputError("start", "must be where an entity begins")
        [chosen] = found
    place = next(each for each in split_sentences(request.text) if each.start <= chosen.start < each.end)
    span = (chosen.start - place.start, chosen.end - place.start)
    return _Plan(chosen, choices, [_Part(place, Decision((place.of(request.text),), chosen.label, span), 1.0)])


def _answer_plan(request: ExplainRequest, answer: AnswerResult, spec: ModelSpec) -> _Plan:
    chosen = Choice(label="", score=answer.score, text=answer.answer, start=answer.start, end=answer.end)
    passage = max(answer.passages, key=lambda each: each.best.probability)
    place = Range(passage.start, passage.end)
    span = (answer.start - place.start, answer.end - place.start) if answer.answer else None
    return _Plan(
        chosen, (chosen,), [_Part(place, Decision((request.question or "", place.of(request.text)), "", span), 1.0)]
    )


_PLANS: Mapping[str, Callable[[ExplainRequest, Any, ModelSpec], _Plan]] = {
    "classify": _label_plan,
    "sentiment": _label_plan,
    "entities": _entity_plan,
    "answer": _answer_plan,
}


def _result(request: ExplainRequest, plan: _Plan, found: Sequence[Attribution]) -> ExplainResult:
    pairs = list(zip(plan.parts, found, strict=True))
    values = [
        (part.place.start + a, part.place.start + b, part.share * value)
        for part, attribution in pairs
        for a, b, value in attribution.pieces[-1]
    ]
    asked = found[0].pieces[0] if request.question is not None else ()
    return ExplainResult(
        explained=plan.explained,
        choices=plan.choices,
        words=_words(request.text, values, plan.parts),
        question_words=_words(request.question or "", asked),
        output=sum(part.share * attribution.output for part, attribution in pairs),
        baseline=sum(part.share * attribution.baseline for part, attribution in pairs),
        completeness_error=sum(part.share * attribution.completeness_error for part, attribution in pairs),
        start=min(part.place.start for part in plan.parts),
        end=max(part.place.end for part in plan.parts),
    )


def _words(text: str, values: Sequence[tuple[int, int, float]], parts: Sequence[_Part] = ()) -> tuple[WordWeight, ...]:
    """Of the words that were read."""
    read = [part.place for part in parts] or [Range(0, len(text))]
    return tuple(
        WordWeight(start=start, end=end, weight=value)
        for start, end, value in by_word(text, values)
        if any(place.start <= start < place.end for place in read)
    )


TASK = ExplainTask()
