"""A run in figures: how the answers are distributed, and how good they are where the right ones are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llm_core.evaluation.bootstrap import Estimate
from llm_core.tasks.batch.kinds import Truth, kind_of
from llm_core.tasks.batch.run import BatchResult
from llm_core.tasks.language import is_chinese

MAX_NAMES = 12
MAX_MISTAKES = 10
MAX_MATRIX = 20
"""Labels of a confusion matrix."""
OTHERS = "…"
_SAME_LABEL = {
    "pos": "positive", "正面": "positive", "积极": "positive", "正向": "positive", "好评": "positive",
    "neg": "negative", "负面": "negative", "消极": "negative", "负向": "negative", "差评": "negative",
    "neu": "neutral", "中性": "neutral", "中立": "neutral",
}  # fmt: skip
"""How people write what the models of sentiment call otherwise."""


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row with an answer and the right one."""

    row: int
    """Its number, from 1."""
    text: str
    predicted: str
    truth: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each label was given to rows of each label."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """One row for each label that is right, one column for each that was given."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of a run."""

    counts: Mapping[str, int]
    """How often each category came up, the most frequent first."""
    names: Mapping[str, int]
    """What is named most often."""
    confidence: float | None
    """Mean of the probabilities."""
    models: tuple[str, ...]
    """Ids of those that answered, the busiest first."""
    scores: Mapping[str, Estimate] = field(default_factory=dict)
    """By metric; empty without right answers."""
    scored: int = 0
    """Rows that have both an answer and a right one."""
    confusion: Confusion | None = None
    mistakes: tuple[ScoredRow, ...] = ()
    """The most confident ones."""
    mistakes_total: int = 0
    unknown: tuple[str, ...] = ()
    """Labels in the file that no model gives: rows that have them can only be wrong."""


def summarise(result: BatchResult) -> Summary:
    """The figures of the rows that are done."""
    outcomes = result.outcomes[: result.done]
    confidences = [each.reading.confidence for each in outcomes if each.reading.confidence is not None]
    basis = {
        "counts": result.counts,
        "names": dict(Counter(name for each in outcomes for name in each.reading.names).most_common(MAX_NAMES)),
        "confidence": sum(confidences) / len(confidences) if confidences else None,
        "models": tuple(dict(Counter(each.model_id for each in outcomes if each.model_id).most_common())),
    }
    pairs = scored_rows(result)
    if not pairs:
        return Summary(**basis)  # type: ignore[arg-type]
    kind = kind_of(result.task)
    predicted, truth = [each.predicted for each in pairs], [each.truth for each in pairs]
    wrong = sorted(mistakes_among(pairs, kind.truth), key=lambda each: -(each.confidence or 0.0))
    known = set().union(*(each.reading.labels for each in outcomes))
    labels = kind.truth == "label"
    return Summary(
        **basis,  # type: ignore[arg-type]
        scores=_scores(result, predicted, truth),
        scored=len(pairs),
        confusion=confusion_of(predicted, truth) if labels else None,
        mistakes=tuple(wrong[:MAX_MISTAKES]),
        mistakes_total=len(wrong),
        unknown=tuple(sorted(set(truth) - known)) if labels else (),
    )


def confusion_of(predicted: Sequence[str], truth: Sequence[str]) -> Confusion:
    """The matrix over the labels that were given or are right; of many, the rarer ones go together."""
    frequent = [label for label, _ in Counter([*truth, *predicted]).most_common()]
    own = frequent if len(frequent) <= MAX_MATRIX else frequent[: MAX_MATRIX - 1]
    labels = tuple(sorted(own)) + ((OTHERS,) if len(own) < len(frequent) else ())
    shown = {label: label if label in own else OTHERS for label in frequent}
    counts = Counter((shown[right], shown[given]) for right, given in zip(truth, predicted, strict=True))
    return Confusion(labels, tuple(tuple(counts[right, given] for given in labels) for right in labels))


def mistakes_among(rows: Sequence[ScoredRow], truth: Truth | None) -> list[ScoredRow]:
    """Rows whose answer is not the right one; of translations nobody can tell."""
    if truth == "label":
        return [each for each in rows if each.predicted != each.truth]
    if truth == "answer":
        from llm_core.evaluation.answers import exact_match

        language = _language_of([each.truth for each in rows])
        return [e for e in rows if not exact_match(e.predicted, [e.truth] if e.truth else [], language)]
    return []


def _language_of(texts: Sequence[str]) -> Literal["en", "zh"]:
    return "zh" if is_chinese(" ".join(texts)[:10_000]) else "en"


def scored_rows(result: BatchResult) -> list[ScoredRow]:
    """The rows that are done and have an answer and a right one; labels may be written in several ways."""
    request, kind, outcomes = result.request, kind_of(result.task), result.outcomes[: result.done]
    if request.truth is None:
        return []
    place, text = request.table.column(request.truth), request.table.column(request.columns[next(iter(kind.fields))])
    labels = {label for each in outcomes for label in each.reading.labels}
    known = {label.casefold(): label for label in labels}
    pairs = []
    for number, (row, each) in enumerate(zip(request.table.rows, outcomes, strict=False), start=1):
        truth = row[place].strip()
        if each.error or not (truth or kind.truth == "answer"):
            continue
        if kind.truth == "label":
            same = _SAME_LABEL.get(truth.casefold(), truth)
            truth = known.get(truth.casefold()) or known.get(same.casefold()) or truth
        pairs.append(ScoredRow(number, row[text], each.reading.answer, truth, each.reading.confidence))
    return pairs


def _scores(result: BatchResult, predicted: Sequence[str], truth: Sequence[str]) -> Mapping[str, Estimate]:
    """The libraries of each are imported when it is measured."""
    kind = kind_of(result.task).truth
    if kind == "label":
        from llm_core.evaluation.labels import label_scores

        return label_scores(predicted, truth)
    if kind == "answer":
        from llm_core.evaluation.answers import answer_scores

        return answer_scores(predicted, [[each] if each else [] for each in truth], _language_of(truth))
    from llm_core.evaluation.translation import translation_scores

    target = str(result.request.fields.get("target", "en")).partition("-")[0]
    return translation_scores(predicted, truth, target=target)
