"""How faithful a model's explanations are, measured as it is served; see `evaluation.faithfulness`.

Of a classifier the likeliest label is explained, of a tagger one of each text's entities by chance, of a reader the
answer that it found. The words of an entity or answer always stay: it is the others that leave, and are put in.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from llm_core.backends.base import Decision, WeighsDecisions
from llm_core.catalog import Catalog, ModelSpec, load_catalog
from llm_core.data.loaders import Row
from llm_core.data.words import joined
from llm_core.engine import Engine, create_engine
from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import SEED
from llm_core.evaluation.faithfulness import Shortened, Weighted, faithfulness
from llm_core.evaluation.scores import SCORES_FILE, Score, add_scores
from llm_core.files import replacing
from llm_core.served import BATCH_ROWS, Rows, results_of, rows_of
from llm_core.session import Session, Steps
from llm_core.settings import Settings
from llm_core.tasks.language import reads
from llm_core.training.card_explanations import with_explanations

EXPLAINED_ROWS = 200
"""Whose explanations are measured, when it is not said how many."""
_MEASURING_SECONDS = 3600.0
"""One request may take: nobody waits for it, and a busy machine must not spoil what was measured before."""
_DRAWN_FOR_ONE = 4
"""Rows that are read for each that is explained: some name nothing, or do not answer."""


@dataclass(frozen=True)
class _Explained:
    """A decision, and the words of its last text that may leave it."""

    decision: Decision
    words: list[Weighted]

    @property
    def text(self) -> str:
        return self.decision.texts[-1]

    def without(self, text: str, gone: Sequence[tuple[int, int]]) -> Decision:
        """The same decision on a shortened text."""
        span = self.decision.span
        if span is not None:
            before = sum(end - start for start, end in gone if end <= span[0])
            span = span[0] - before, span[1] - before
        return replace(self.decision, texts=(*self.decision.texts[:-1], text), span=span)


def explain_model(model_id: str, wanted: Rows, settings: Settings) -> list[Score]:
    """How faithful the explanations of a classifier, tagger or reader are.

    Args:
        model_id: Catalogue id.
        wanted: What to measure on: `limit` rows drawn by chance, `EXPLAINED_ROWS` without one.
        settings: For the engine.

    Raises:
        UnknownModelError: There is no such model.
        InputError: It is none of these, fine-tuned, or the data cannot be read.
    """
    rows, most = rows_of(wanted, settings), wanted.limit or EXPLAINED_ROWS
    patient = settings.model_copy(update={"request_seconds": _MEASURING_SECONDS})
    with closing(create_engine(patient)) as engine:
        spec = engine.catalog[model_id]
        if kind_of(spec) == "label":
            drawn = random.Random(SEED).sample(rows, min(len(rows), most))
            requests = _label_requests(spec, drawn)
        else:
            drawn = random.Random(SEED).sample(rows, min(len(rows), most * _DRAWN_FOR_ONE))
            some = _entity_requests if kind_of(spec) == "entities" else _answer_requests
            requests = list(some(engine, spec, drawn))[:most]
        found = results_of(engine, "explain", spec, requests)
        explained = [_explained(spec, request, result) for request, result in zip(requests, found, strict=True)]

        def probabilities(shortened: Sequence[Shortened]) -> list[float]:
            decisions = [explained[number].without(text, gone) for number, text, gone in shortened]
            chunks = [decisions[start : start + BATCH_ROWS] for start in range(0, len(decisions), BATCH_ROWS)]
            return [
                value for chunk in chunks for value in engine.answer(_Probabilities(), chunk, model_id=spec.id).result
            ]

        estimates = faithfulness([each.text for each in explained], [each.words for each in explained], probabilities)
    title = ", ".join(wanted.sources)
    return [
        Score.of(metric, estimate, data=wanted.data, split=wanted.split, title=title)
        for metric, estimate in estimates.items()
    ]


def kind_of(spec: ModelSpec) -> str:
    """What is explained: ``label``, ``entities`` or ``answer``.

    Raises:
        InputError: Nothing of this model, or not so that it can be measured.
    """
    kinds = {"sequence_classification": "label", "token_classification": "entities", "span_extraction": "answer"}
    if spec.head not in kinds:
        raise InputError(
            "model", f"{spec.id} is no fine-tuned classifier, tagger or reader, whose explanations can be measured"
        )
    return kinds[spec.head]


def _label_requests(spec: ModelSpec, rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{"text": row["text"], "label_set": spec.label_set, "of": spec.tasks[0]} for row in rows]


def _entity_requests(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """One entity of each text that names any."""
    draw, written = random.Random(SEED), (joined(row["tokens"])[0] for row in rows)
    texts = [text for text in written if reads(spec, text)]
    results = results_of(engine, "entities", spec, [{"text": text} for text in texts])
    for text, result in zip(texts, results, strict=True):
        if result.entities:
            yield {"of": "entities", "text": text, "start": draw.choice(result.entities).start}


def _answer_requests(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Questions that get an answer."""
    asked = [{"question": row["question"], "context": row["context"]} for row in rows]
    for row, result in zip(asked, results_of(engine, "answer", spec, asked), strict=True):
        if result.answer:
            yield {"of": "answer", "question": row["question"], "text": row["context"]}


def _explained(spec: ModelSpec, request: Mapping[str, Any], result: Any) -> _Explained:
    """What was read of the text, and the words of it that are not those explained."""
    chosen, first = result.explained, result.start
    text = request["text"][first : result.end]
    words = [(word.start - first, word.end - first, word.weight) for word in result.words]
    if request["of"] in ("classify", "sentiment"):
        label = next(each for each in spec.labels if each.lower() == chosen.label.lower())  # tasks write small letters
        return _Explained(Decision((text,), label), words)
    span = chosen.start - first, chosen.end - first
    others = [word for word in words if word[1] <= span[0] or word[0] >= span[1]]
    texts = (request["question"], text) if request["of"] == "answer" else (text,)
    return _Explained(Decision(texts, chosen.label, span), others)


class _Probabilities:
    """How probable decisions are; see `Task`."""

    name: ClassVar[str] = "probabilities"
    request_type: ClassVar[type[list[Decision]]] = list

    def candidates(self, catalog: Catalog, decisions: list[Decision]) -> tuple[ModelSpec, ...]:
        return tuple(catalog.values())

    def run(self, session: Session, decisions: list[Decision]) -> Steps[list[float]]:
        yield from ()
        return session.open(WeighsDecisions).decision_probabilities(decisions, session.cancel)


def record_explanations(model_id: str, scores: Sequence[Score], settings: Settings, limit: int | None = None) -> Path:
    """Write what `explain_model` measured into the card and ``scores.json`` of a model that this project trained.

    Args:
        model_id: Catalogue id.
        scores: What came of it.
        settings: Where models are.
        limit: `Rows.limit` of the measurement.

    Returns:
        The card.

    Raises:
        InputError: The model has none.
    """
    spec = load_catalog()[model_id]
    folder = settings.models_dir / Path(spec.local or "").name
    card = folder / "README.md"
    if not card.is_file() or not (folder / SCORES_FILE).is_file():
        raise InputError("model", f"{model_id} has no card of ours to write into")
    text = with_explanations(card.read_text(encoding="utf-8"), model_id, scores, kind_of(spec), limit)
    with replacing(card) as draft:
        draft.write_text(text, encoding="utf-8")
    add_scores(folder / SCORES_FILE, "explanations", scores)
    return card
