"""A task on a request and its other forms, and how the answers are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from llm_core.catalog import Catalog, ModelSpec
from llm_core.data.words import Range
from llm_core.errors import InputError
from llm_core.evaluation.answers import RIGHT_FROM
from llm_core.evaluation.translation import sentence_chrf
from llm_core.session import Session, Steps
from llm_core.tasks.answer import AnswerResult
from llm_core.tasks.base import Result
from llm_core.tasks.entities import EntitiesResult
from llm_core.tasks.stress.alignment import Alignment
from llm_core.tasks.stress.forms import kept_forms, other_forms, paraphrased, renamed
from llm_core.tasks.translate.layout import is_markdown
from llm_core.tasks.translate.types import TranslateResult
from llm_core.types import Progress

MAX_ALIGNED_CHARS = 2_000
"""Of a text whose names, answer or translation are found again."""
NEAR_CHRF = 0.5
"""A translation that is less like that of the text as written counts as another one."""
_FORMS_A_CALL = 4


class Outcome(BaseModel):
    """The answer to the request in another form."""

    model_config = ConfigDict(frozen=True)

    change: str
    """What was done: a key of `robustness.CHANGES`, ``no_punctuation``, ``names``, ``paraphrase`` or ``negation``."""
    field: str = "text"
    """Of the request, what was changed."""
    text: str
    """That field, changed."""
    label: str
    """The answer: a label, an answer (empty: not in the text), a translation; of entities how many were found again."""
    score: float
    """Probability of the label or answer; share of the entities that were found again; likeness (chrF / 100) of the
    translation to that of the text as written."""
    flipped: bool
    """Whether the answer is another than that to the request as written."""
    same_meaning: bool = True
    lost: tuple[str, ...] = ()
    """Entities that are not found again, with their kinds."""
    new: tuple[str, ...] = ()
    """Entities that are found in this form only."""


class StressResult(Result):
    """The answer to a request, and to its other forms."""

    record_fields: ClassVar[tuple[str, ...]] = ("label", "score", "outcomes")

    label: str
    score: float
    outcomes: tuple[Outcome, ...]

    @property
    def flips(self) -> tuple[int, int]:
        """Outcomes of the same meaning with another answer, and how many have the same meaning."""
        same = [outcome for outcome in self.outcomes if outcome.same_meaning]
        return sum(outcome.flipped for outcome in same), len(same)


class Answers(Protocol):
    """A task that answers many requests at once; see `session.Task`."""

    name: str
    request_type: type[Any]

    def candidates(self, catalog: Catalog, request: Any) -> tuple[ModelSpec, ...]:
        """See `session.Task`."""
        ...

    def run_many(self, session: Session, requests: Sequence[Any]) -> list[Any]:
        """The results, in order."""
        ...


class StressTask:
    """A task on a request and its other forms; see `session.Task`.

    Args:
        task: ``classify``, ``sentiment``, ``entities``, ``answer`` or ``translate``.
    """

    def __init__(self, task: Answers) -> None:
        self.task, self.name, self.request_type = task, task.name, task.request_type
        self._reading = _READINGS[task.name]

    def candidates(self, catalog: Catalog, request: Any) -> tuple[ModelSpec, ...]:
        """The task's own."""
        return self.task.candidates(catalog, request)

    def run(self, session: Session, request: Any) -> Steps[StressResult]:
        """See `session.Task.run`.

        Raises:
            InputError: The text is too long to find names or a translation again.
        """
        reading, plain = self._reading, request.model_copy(update=self._reading.plainly)
        first = self.task.run_many(session, [plain])[0]
        asked = [
            Form(name.partition(" ")[0], field, text)
            for field, name, text in reading.forms(session, request, first)
            if text.strip() and text.strip() != getattr(request, field).strip()
        ]
        found: list[Any] = []
        for start in range(0, len(asked), _FORMS_A_CALL):
            yield Progress(start, len(asked))
            some = [plain.model_copy(update={form.field: form.text}) for form in asked[start : start + _FORMS_A_CALL]]
            found += self.task.run_many(session, some)
        outcomes = [reading.compare(request, form, first, other) for form, other in zip(asked, found, strict=True)]
        label, score = reading.told(first)
        return StressResult(label=label, score=score, outcomes=tuple(outcomes))


@dataclass(frozen=True)
class Form:
    """A request in another form."""

    change: str
    field: str
    text: str


Named = tuple[str, str, str]
"""A field of the request, what was done to it, and what became of it."""


@dataclass(frozen=True)
class _Reading:
    """How the answers of a kind of task are tried and compared."""

    forms: Callable[[Session, Any, Any], Iterator[Named]]
    """Of a request, which has been answered."""
    compare: Callable[[Any, Form, Any, Any], Outcome]
    """The answer to the request as written with that to another form."""
    told: Callable[[Any], tuple[str, float]]
    """Answer and score of the request as written."""
    plainly: Mapping[str, Any]
    """Fields of the request that only cost time here."""


def _fits(text: str) -> str:
    if len(text) > MAX_ALIGNED_CHARS:
        raise InputError("text", f"must have at most {MAX_ALIGNED_CHARS:,} characters to be tried in other forms")
    return text


def _label_forms(session: Session, request: Any, first: Any) -> Iterator[Named]:
    for name, text in {**other_forms(request.text), **paraphrased(session, request.text)}.items():
        yield "text", name, text


def _label_of(result: Any) -> tuple[str, float]:
    return result.label, result.scores[result.label]


def _compare_labels(request: Any, form: Form, first: Any, other: Any) -> Outcome:
    label, score = _label_of(other)
    flipped, same = label != first.label, form.change != "negation"
    return Outcome(**vars(form), label=label, score=score, flipped=flipped, same_meaning=same)


def _entity_forms(session: Session, request: Any, first: EntitiesResult) -> Iterator[Named]:
    """No paraphrase: what a translator makes of a name is no fault of the tagger."""
    for name, text in {**kept_forms(_fits(request.text)), "names": renamed(request.text, first.entities)}.items():
        yield "text", name, text


def _compare_entities(request: Any, form: Form, first: EntitiesResult, other: EntitiesResult) -> Outcome:
    """An entity is found again when its words and its kind are: as in the scores of taggers."""
    words = Alignment(request.text, form.text)
    wanted = {(words.found(words.here(each.start, each.end)), each.label): each for each in first.entities}
    has = {(words.there(each.start, each.end), each.label): each for each in other.entities}
    lost = tuple(f"{each.text} ({each.label})" for place, each in wanted.items() if place not in has)
    new = tuple(f"{each.text} ({each.label})" for place, each in has.items() if place not in wanted)
    kept = len(wanted) - len(lost)
    share = kept / len(wanted) if wanted else 1.0
    counted = f"{kept}/{len(wanted)}"
    return Outcome(**vars(form), label=counted, score=share, flipped=bool(lost or new), lost=lost, new=new)


def _answer_forms(session: Session, request: Any, first: AnswerResult) -> Iterator[Named]:
    """Of the question; and of the text, unless it is long."""
    for name, text in {**kept_forms(request.question), **paraphrased(session, request.question)}.items():
        yield "question", name, text
    for name, text in kept_forms(request.context).items() if len(request.context) <= MAX_ALIGNED_CHARS else ():
        yield "context", name, text


def _compare_answers(request: Any, form: Form, first: AnswerResult, other: AnswerResult) -> Outcome:
    """The same answer when the words' places are, by half or more (F1); or when neither is in the text."""
    words = Alignment(request.context, form.text if form.field == "context" else request.context)
    one = words.found(words.here(first.start, first.end)) if first.answer else (0, 0)
    two = words.there(other.start, other.end) if other.answer else (0, 0)
    same = bool(first.answer) == bool(other.answer) and (not first.answer or _likeness(one, two) >= RIGHT_FROM)
    return Outcome(**vars(form), label=other.answer, score=other.score, flipped=not same)


def _likeness(one: Range, two: Range) -> float:
    """F1 of two ranges."""
    shared = max(0, min(one[1], two[1]) - max(one[0], two[0]))
    return 2 * shared / max(1, one[1] - one[0] + two[1] - two[0])


def _translation_forms(session: Session, request: Any, first: TranslateResult) -> Iterator[Named]:
    """Markdown keeps its marks: without them it is another document."""
    for name, text in kept_forms(_fits(request.text)).items():
        if name != "no_punctuation" or not is_markdown(request.text):
            yield "text", name, text


def _compare_translations(request: Any, form: Form, first: TranslateResult, other: TranslateResult) -> Outcome:
    likeness = sentence_chrf([other.text], [first.text])[0] / 100
    return Outcome(**vars(form), label=other.text, score=likeness, flipped=likeness < NEAR_CHRF)


_LABELS = _Reading(_label_forms, _compare_labels, _label_of, {})
_READINGS = {
    "classify": _LABELS,
    "sentiment": _LABELS,
    "entities": _Reading(
        _entity_forms, _compare_entities, lambda found: (f"{len(found.entities)}/{len(found.entities)}", 1.0), {}
    ),
    "answer": _Reading(_answer_forms, _compare_answers, lambda found: (found.answer, found.score), {}),
    "translate": _Reading(
        _translation_forms,
        _compare_translations,
        lambda found: (found.text, 1.0),
        {"alternatives": 0, "alignment": False, "back_translation": False},
    ),
}
