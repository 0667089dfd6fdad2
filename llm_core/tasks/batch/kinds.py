"""What each task makes of a row: which of its fields columns fill, and which columns its answer adds.

A task becomes available for whole files by an entry in `KINDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llm_core.errors import InputError
from llm_core.tasks.answer import AnswerResult
from llm_core.tasks.classify import ClassifyResult
from llm_core.tasks.entities import EntitiesResult
from llm_core.tasks.sentiment import SentimentResult
from llm_core.tasks.translate import TranslateResult

Truth = Literal["label", "answer", "translation"]
"""What a column of right answers holds: one of a few labels, words of a text, or a translation."""

TEXT_NAMES = (
    "text", "review", "content", "sentence", "comment", "message", "body", "tweet", "post", "description", "title",
    "文本", "评论", "内容", "句子", "正文", "留言", "标题", "text_a", "review_text", "reviewtext",
)  # fmt: skip
LABEL_NAMES = (
    "label", "sentiment", "category", "class", "topic", "gold", "target", "emotion", "标签", "类别", "情感", "分类",
    "主题", "真实标签", "true_label", "label_text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer as a row of a table shows it."""

    cells: tuple[str, ...]
    """One for each of `Kind.added`."""
    answer: str
    """What is compared with the truth."""
    confidence: float | None = None
    """Probability in [0, 1]."""
    categories: tuple[str, ...] = ()
    """What the distribution counts."""
    names: tuple[str, ...] = ()
    """Of what is named most often."""
    labels: tuple[str, ...] = ()
    """All labels that might have been given."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a task runs over a table."""

    fields: Mapping[str, tuple[str, ...]]
    """Request fields that columns fill, with the names by which such columns usually go. The first is the text that is
    shown."""
    added: tuple[str, ...]
    """Columns that an answer adds."""
    read: Callable[[Any], Reading]
    truth: Truth | None = None
    truth_names: tuple[str, ...] = LABEL_NAMES


def kind_of(task_name: str) -> Kind:
    """How a task runs over a table.

    Raises:
        InputError: It does not.
    """
    if task_name not in KINDS:
        raise InputError("task", f"must be one of {', '.join(KINDS)} for a table", task_name)
    return KINDS[task_name]


def percent(value: float | None) -> str:
    """A probability as cells have it."""
    return "" if value is None else f"{value:.4f}"


def _read_label(result: ClassifyResult | SentimentResult) -> Reading:
    confidence = result.scores[result.label]
    return Reading(
        (result.label, percent(confidence)), result.label, confidence, (result.label,), labels=tuple(result.scores)
    )


def _read_entities(result: EntitiesResult) -> Reading:
    named = [f"{mention.text} ({mention.label})" for mention in result.mentions]
    return Reading(
        cells=("; ".join(named), str(len(result.entities))),
        answer="",
        confidence=_mean([entity.score for entity in result.entities]),
        categories=tuple(entity.label for entity in result.entities),
        names=tuple(f"{entity.text} ({entity.label})" for entity in result.entities),
    )


def _read_answer(result: AnswerResult) -> Reading:
    found = "answered" if result.answer else "unanswered"
    return Reading((result.answer, percent(result.score)), result.answer, result.score, (found,))


def _read_translation(result: TranslateResult) -> Reading:
    unsure = sum(pair.low_confidence for pair in result.sentences)
    known = [pair.log_probability for pair in result.sentences if pair.log_probability is not None]
    mean = _mean(known)
    return Reading(
        cells=(result.text, result.source, str(unsure)),
        answer=result.text,
        confidence=None if mean is None else math.exp(mean),
        categories=("unsure" if unsure else "sure",),
    )


def _read_text(result: Any) -> Reading:
    return Reading((result.text,), result.text)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


KINDS: Mapping[str, Kind] = {
    "classify": Kind({"text": TEXT_NAMES}, ("label", "confidence"), _read_label, "label"),
    "sentiment": Kind({"text": TEXT_NAMES}, ("label", "confidence"), _read_label, "label"),
    "entities": Kind({"text": TEXT_NAMES}, ("entities", "count"), _read_entities),
    "answer": Kind(
        {
            "question": ("question", "q", "query", "问题", "提问"),
            "context": ("context", "passage", "paragraph", "document", "text", "段落", "文章", "原文", "正文", "文本"),
        },
        ("answer", "confidence"),
        _read_answer,
        "answer",
        ("answer", "answers", "gold", "答案", "回答"),
    ),
    "translate": Kind(
        {"text": ("source", "src", "原文", "en", "zh", *TEXT_NAMES)},
        ("translation", "from", "unsure"),
        _read_translation,
        "translation",
        ("reference", "target", "translation", "tgt", "译文", "参考译文"),
    ),
    "generate": Kind({"prompt": ("prompt", "instruction", "提示", *TEXT_NAMES)}, ("text",), _read_text),
    "complete": Kind({"prefix": ("prefix", "code", "prompt", "代码")}, ("text",), _read_text),
}
"""By the name of the task."""
