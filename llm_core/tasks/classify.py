"""Classification: a text to probabilities over labels, in three ways.

- `label_set`: a model that was fine-tuned for these labels (the catalogue says which sets there are).
- `labels`: the visitor's own labels, compared with the text by sentence embeddings, or judged by a model of natural
  language inference (`zero_shot`).
- `examples`: the visitor's own labelled texts, which train a classifier on embeddings at once (`few_shot`).

Long texts are read window by window; the probabilities are averaged, weighted by length, and the result says in how
many windows.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from llm_core.backends.base import Classifies, Embeds, Entails
from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import InputError
from llm_core.limits import MAX_EXAMPLES, MAX_LABELS, Label, Text, check_text
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result, pairs_of, tuple_of
from llm_core.tasks.few_shot import FewShotClassifier, check_labels, train_few_shot
from llm_core.tasks.language import check_language, readers
from llm_core.tasks.sentences import Range, split_windows, units
from llm_core.tasks.zero_shot import label_sentences, label_statements, softmax, zero_shot_probabilities

DEFAULT_LABEL_SETS = ("ag_news", "thucnews")
"""News topics, of one language each: whichever is asked for, that of the text's language answers."""
OWN_LABEL_HEADS = ("entailment", "embedding")
"""Of models that give labels nobody trained them for."""
OWN_LABEL_SET = "own"
"""That of the model which a visitor has trained; see `tasks.train`."""
WINDOW_UNITS = 800
"""About 200 tokens, as much as one news item; see `sentences`."""
MAX_EXAMPLE_CHARS = 2_000

Probabilities = NDArray[np.floating[Any]]

ExampleText = Annotated[str, Field(max_length=MAX_EXAMPLE_CHARS), AfterValidator(check_text)]
Labels = Annotated[tuple[Label, ...], BeforeValidator(tuple_of), Field(min_length=2, max_length=MAX_LABELS)]
Examples = Annotated[
    tuple[tuple[ExampleText, Label], ...], BeforeValidator(pairs_of), Field(min_length=2, max_length=MAX_EXAMPLES)
]


class ClassifyRequest(Request):
    """A text and at most one of the three kinds of labels; without any, the label set is of `DEFAULT_LABEL_SETS`."""

    text: Text
    labels: Labels | None = None
    """Own labels."""
    label_set: str | None = None
    """Name of a ready label set; news topics are those of the text's language."""
    examples: Examples | None = None
    """Own (text, label) pairs, at least one for each of at least two labels."""

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        names = [label.strip() for label in labels or ()]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"must differ from one another, but {twice[0]!r} is there twice")
        return tuple(names) or None

    @field_validator("examples")
    @classmethod
    def _examples_suffice(cls, examples: tuple[tuple[str, str], ...] | None) -> tuple[tuple[str, str], ...] | None:
        if examples is None:
            return None
        pairs = tuple((text, label.strip()) for text, label in examples)
        check_labels([label for _, label in pairs])
        return pairs

    @model_validator(mode="after")
    def _one_way(self) -> ClassifyRequest:
        if sum(choice is not None for choice in (self.labels, self.label_set, self.examples)) > 1:
            raise ValueError("must have only one of labels, label_set and examples")
        return self


class ClassifyResult(Result):
    """The label and how sure the model is of each."""

    record_fields: ClassVar[tuple[str, ...]] = ("label", "scores")

    label: str
    scores: dict[str, float]
    """Probability of each label, largest first; they sum to 1."""
    method: Literal["fine_tuned", "zero_shot", "examples"]
    windows: int
    """In how many pieces the text was read; more than one means that their probabilities were averaged by length."""
    training_seconds: float | None = None
    """For examples: what training took, embeddings not counted."""
    left_out_accuracy: float | None = None
    """For examples: share of them recognised when left out of training; ``None`` when a label has one example
    only."""


class ClassifyTask:
    """See `Task`."""

    name: ClassVar[str] = "classify"
    request_type: ClassVar[type[ClassifyRequest]] = ClassifyRequest

    def candidates(self, catalog: Catalog, request: ClassifyRequest) -> tuple[ModelSpec, ...]:
        """See `Task.candidates`.

        Raises:
            InputError: There is no such label set; suggests the nearest.
        """
        if request.examples is not None:
            specs = _with_head(catalog, "embedding")
        elif request.labels is not None:
            specs = _with_head(catalog, *OWN_LABEL_HEADS)
        else:
            specs = _fine_tuned(catalog, request.label_set)
        return readers(specs, "text", request.text)

    def run(self, session: Session, request: ClassifyRequest) -> Steps[ClassifyResult]:
        """See `Task.run`."""
        yield from ()
        return self.run_many(session, [request])[0]

    def run_many(self, session: Session, requests: Sequence[ClassifyRequest]) -> list[ClassifyResult]:
        """Results of many requests with one call of the model."""
        for request in requests:
            check_language(session.spec, "text", request.text)
        windows = [split_windows(request.text, WINDOW_UNITS) or [Range(0, len(request.text))] for request in requests]
        ways = {"embedding": _embedded_results, "entailment": _inferred_results}
        return ways.get(session.spec.head, _fine_tuned_results)(session, requests, windows)


def label_sets(catalog: Catalog) -> tuple[str, ...]:
    """The ready label sets of a catalogue, in its order."""
    return tuple(dict.fromkeys(spec.label_set for spec in catalog.for_task("classify") if spec.label_set))


def _with_head(catalog: Catalog, *heads: str) -> tuple[ModelSpec, ...]:
    return tuple(spec for spec in catalog.for_task("classify") if spec.head in heads)


def _fine_tuned(catalog: Catalog, label_set: str | None) -> tuple[ModelSpec, ...]:
    known = label_sets(catalog)
    if label_set is None:
        return _news(catalog, DEFAULT_LABEL_SETS[0])
    if label_set == OWN_LABEL_SET and label_set not in known:
        raise InputError("label_set", "needs a model of your own, and there is none (any more): train one first")
    if known and label_set not in known:
        close = difflib.get_close_matches(label_set.lower(), known, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError("label_set", f"must be one of {', '.join(known)}{hint}", label_set)
    return _news(catalog, label_set) if label_set in DEFAULT_LABEL_SETS else catalog.for_task("classify", label_set)


def _news(catalog: Catalog, first: str) -> tuple[ModelSpec, ...]:
    names = dict.fromkeys((first, *DEFAULT_LABEL_SETS))
    return tuple(spec for name in names for spec in catalog.for_task("classify", name))


def _fine_tuned_results(
    session: Session, requests: Sequence[ClassifyRequest], windows: Sequence[list[Range]]
) -> list[ClassifyResult]:
    probabilities = session.open(Classifies).classify(_window_texts(requests, windows), session.cancel)
    parts = _split(probabilities, [len(places) for places in windows])
    return [
        _result(session.spec.labels, part, request.text, places, method="fine_tuned")
        for request, places, part in zip(requests, windows, parts, strict=True)
    ]


def _inferred_results(
    session: Session, requests: Sequence[ClassifyRequest], windows: Sequence[list[Range]]
) -> list[ClassifyResult]:
    """One call for everything: each window with a statement about each label."""
    asked = [_own_labels(request) for request in requests]
    texts = [[place.of(request.text) for place in places] for request, places in zip(requests, windows, strict=True)]
    pairs = [
        (text, statement)
        for own, labels in zip(texts, asked, strict=True)
        for text in own
        for statement in label_statements(labels)
    ]
    premises, hypotheses = ([pair[part] for pair in pairs] for part in (0, 1))
    logits = session.open(Entails).entailment(premises, hypotheses, session.cancel)
    parts = np.split(logits, np.cumsum([len(own) * len(labels) for own, labels in zip(texts, asked, strict=True)])[:-1])
    return [
        _result(
            labels, softmax(part.reshape(-1, len(labels)).astype(np.float64)), request.text, places, method="zero_shot"
        )
        for labels, part, request, places in zip(asked, parts, requests, windows, strict=True)
    ]


def _own_labels(request: ClassifyRequest) -> tuple[str, ...]:
    if request.labels is None:
        raise InputError("labels", "are needed by this model: it has none of its own, and learns from no examples")
    return request.labels


def _embedded_results(
    session: Session, requests: Sequence[ClassifyRequest], windows: Sequence[list[Range]]
) -> list[ClassifyResult]:
    """One call for everything: all windows, and each different list of labels or examples once."""
    learned = list(dict.fromkeys(_source(request) for request in requests))
    sources = [_source_texts(source) for source in learned]
    texts = [*_window_texts(requests, windows), *(text for source in sources for text in source)]
    vectors = session.open(Embeds).embed(texts, session.cancel)
    parts = _split(vectors, [len(places) for places in windows] + [len(source) for source in sources])
    classifiers = {
        source: _classifier(source, part) for source, part in zip(learned, parts[len(requests) :], strict=True)
    }
    results = []
    for request, places, part in zip(requests, windows, parts, strict=False):
        labels, probabilities, extras = classifiers[_source(request)]
        results.append(_result(labels, probabilities(part), request.text, places, **extras))
    return results


_Source = tuple[Literal["zero_shot", "examples"], tuple[Any, ...]]
_Classifier = tuple[tuple[str, ...], Callable[[NDArray[np.float32]], Probabilities], dict[str, Any]]


def _source(request: ClassifyRequest) -> _Source:
    """What a classifier on embeddings is made of."""
    if request.examples is not None:
        return "examples", request.examples
    if request.labels is None:
        raise InputError("labels", "are needed by this model, or examples: it has no labels of its own")
    return "zero_shot", request.labels


def _source_texts(source: _Source) -> list[str]:
    return [text for text, _ in source[1]] if source[0] == "examples" else label_sentences(source[1])


def _classifier(source: _Source, vectors: NDArray[np.float32]) -> _Classifier:
    if source[0] == "zero_shot":
        return source[1], lambda texts: zero_shot_probabilities(texts, vectors), {"method": "zero_shot"}
    trained: FewShotClassifier = train_few_shot(vectors, [label for _, label in source[1]])
    extras = {
        "method": "examples",
        "training_seconds": trained.training_seconds,
        "left_out_accuracy": trained.left_out_accuracy,
    }
    return trained.labels, trained.probabilities, extras


def _window_texts(requests: Sequence[ClassifyRequest], windows: Sequence[list[Range]]) -> list[str]:
    return [place.of(request.text) for request, places in zip(requests, windows, strict=True) for place in places]


def _split(rows: NDArray[np.float32], sizes: Sequence[int]) -> list[NDArray[np.float32]]:
    return np.split(rows, np.cumsum(sizes)[:-1])


def _result(
    labels: Sequence[str], probabilities: Probabilities, text: str, places: Sequence[Range], **extras: Any
) -> ClassifyResult:
    lengths = np.array([units(place.of(text)) for place in places], dtype=np.float64)
    mean = np.average(probabilities, axis=0, weights=lengths)
    scores = {labels[index]: float(mean[index]) for index in np.argsort(-mean, kind="stable")}
    return ClassifyResult(label=next(iter(scores)), scores=scores, windows=len(places), **extras)


TASK = ClassifyTask()
