"""How often a model answers and is right above each confidence, as it is served; see `evaluation.coverage`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from llm_core.catalog import ModelSpec
from llm_core.data.loaders import Row
from llm_core.data.tagging import entities, repaired, touched_words
from llm_core.data.words import is_chinese, joined
from llm_core.engine import Engine, create_engine
from llm_core.errors import InputError
from llm_core.evaluation.answers import Language, answer_f1, exact_match
from llm_core.evaluation.coverage import Coverage
from llm_core.served import Rows, label_results, results_of, rows_of
from llm_core.settings import Settings
from llm_core.tasks.language import reads

Measured = tuple[Sequence[float], Sequence[bool], Mapping[str, Any]]
"""Confidence of each answer, whether it is right, and further fields of `Coverage.of`."""


def measure_coverage(model_id: str, wanted: Rows, settings: Settings) -> Coverage:
    """Counts of a classifier's labels, a tagger's entities or a reader's answers.

    Args:
        model_id: Catalogue id.
        wanted: What to measure on; the title of the result is that of the model's score on the same rows.
        settings: For the engine.

    Raises:
        UnknownModelError: There is no such model.
        InputError: It gives no confidence, or the data cannot be read.
    """
    rows = rows_of(wanted, settings)[: wanted.limit]
    with closing(create_engine(settings)) as engine:
        spec = engine.catalog[model_id]
        task = next((task for task in spec.tasks if task in _MEASURES), None)
        if task is None:
            raise InputError("model", f"{spec.id} is never sure or unsure; these are: {', '.join(_MEASURES)}")
        confidences, right, further = _MEASURES[task](engine, spec, rows)
    title = _title(spec, wanted, len(rows))
    return Coverage.of(confidences, right, data=wanted.data, split=wanted.split, title=title, **further)


def _title(spec: ModelSpec, wanted: Rows, rows: int) -> str:
    known = [score for score in spec.scores if score.data == wanted.data]
    same = [score.title for score in known if score.rows == rows]
    return next(iter([*same, ", ".join(wanted.sources)]), "") or next((score.title for score in known), "")


def _labels(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> Measured:
    results = label_results(engine, spec, rows)
    right = [result.label == row["label"] for result, row in zip(results, rows, strict=True)]
    return [max(result.scores.values()) for result in results], right, {}


def _entities(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> Measured:
    """An entity is right when its words and its type are; types that the model does not know are not wanted.

    Texts in a language that it refuses to read are left out.
    """
    kinds = {label.partition("-")[2] for label in spec.labels}
    rows = [row for row in rows if reads(spec, joined(row["tokens"])[0])]
    texts = [joined(row["tokens"]) for row in rows]
    results = results_of(engine, "entities", spec, [{"text": text} for text, _ in texts])
    confidences, right, wanted = [], [], 0
    for (_, places), result, row in zip(texts, results, rows, strict=True):
        gold = {(each.label, each.first, each.last) for each in entities(repaired(row["tags"])) if each.label in kinds}
        wanted += len(gold)
        confidences += [each.score for each in result.entities]
        right += [(each.label, *touched_words(places, each.start, each.end)) in gold for each in result.entities]
    return confidences, right, {"wanted": wanted}


def _answers(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> Measured:
    """An answer is right when it matches one of the references exactly; none, where there is none."""
    asked = [{"question": row["question"], "context": row["context"]} for row in rows]
    results = results_of(engine, "answer", spec, asked)
    language: Language = "zh" if sum(is_chinese(row["context"]) for row in rows) > len(rows) / 2 else "en"
    pairs = [
        (result.answer, [answer["text"] for answer in row["answers"]])
        for result, row in zip(results, rows, strict=True)
    ]
    right = [exact_match(*pair, language) == 1.0 for pair in pairs]
    return [result.score for result in results], right, {"f1": [answer_f1(*pair, language) for pair in pairs]}


_MEASURES: Mapping[str, Callable[[Engine, ModelSpec, Sequence[Row]], Measured]] = {
    "classify": _labels,
    "sentiment": _labels,
    "entities": _entities,
    "answer": _answers,
}
"""By task."""
