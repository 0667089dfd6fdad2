"""Extractive question answering: rows to token windows and back to spans of the passage.

A window is ``[CLS] question [SEP] piece of passage [SEP]``; a long passage gives several sharing `stride` tokens.
Position 0 ([CLS]) stands for "not in the text", as in BERT's SQuAD 2.0 set-up (arXiv:1810.04805).
Offsets are Python string indices into the passage, so ``context[start:end]`` is the answer as written.
The module knows nothing of models: it takes logits as arrays.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llm_core.data.loaders import Row
from llm_core.data.shared_words import shared_words, token_marks
from llm_core.errors import InputError

MAX_QUESTION_TOKENS = 64
"""Longer questions are cut; the passage needs the room."""
MAX_ANSWER_TOKENS = 30
"""Longest answer considered."""
_TRIMMED = re.compile(r"[\s。，、；：！？]*(.*?)[\s。，、；：！？]*", re.DOTALL)
OUTSIDE = (-1, -1)
"""Offset of a token that is not of the passage."""


@dataclass(frozen=True)
class QaWindow:
    """One encoder input."""

    row: int
    """Index of the row it comes from."""
    input_ids: list[int]
    token_type_ids: list[int]
    offsets: list[tuple[int, int]]
    """Per token: character range in the passage, or `OUTSIDE`."""
    question_offsets: list[tuple[int, int]]
    """The same in the question."""


@dataclass(frozen=True)
class Span:
    """The best answer of a passage."""

    start: int
    end: int
    """Character range in the passage."""
    margin: float
    """Logit of the span minus logit of "not in the text"; above the fitted threshold it counts as an answer."""


def make_windows(
    tokenizer: Any, rows: Sequence[Row], max_length: int, stride: int, mark_shared_words: bool = False
) -> list[QaWindow]:
    """Cuts rows into windows.

    Args:
        tokenizer: A fast tokenizer of a BERT-shaped encoder.
        rows: Rows with `question` and `context`.
        max_length: Tokens of a window, special tokens included.
        stride: Tokens that neighbouring windows share.
        mark_shared_words: Let token types tell the words of the passage that the question has, too, instead of telling
            passage and question apart.

    Raises:
        InputError: `max_length` leaves no room for the passage beside a question and the stride.
    """
    if max_length < MAX_QUESTION_TOKENS + stride + 4:
        raise InputError("max_length", f"must be at least {MAX_QUESTION_TOKENS + stride + 4} tokens", max_length)
    if not rows:
        return []
    encoded = tokenizer(
        _shortened(tokenizer, [row["question"] for row in rows]),
        [row["context"] for row in rows],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    owners = encoded["overflow_to_sample_mapping"]
    windows = [
        QaWindow(
            owner,
            encoded["input_ids"][i],
            encoded["token_type_ids"][i],
            _offsets(encoded, i, 1),
            _offsets(encoded, i, 0),
        )
        for i, owner in enumerate(owners)
    ]
    if not mark_shared_words:
        return windows
    marks = [shared_words(row["question"], row["context"]) for row in rows]
    return [replace(each, token_type_ids=token_marks(each.offsets, marks[each.row])) for each in windows]


def _shortened(tokenizer: Any, questions: list[str]) -> list[str]:
    offsets = tokenizer(questions, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return [
        question if len(found) <= MAX_QUESTION_TOKENS else question[: found[MAX_QUESTION_TOKENS - 1][1]]
        for question, found in zip(questions, offsets, strict=True)
    ]


def _offsets(encoded: Any, index: int, wanted: int) -> list[tuple[int, int]]:
    """Of the tokens of the question (0) or the passage (1)."""
    return [
        tuple(offset) if part == wanted else OUTSIDE
        for offset, part in zip(encoded["offset_mapping"][index], encoded.sequence_ids(index), strict=True)
    ]


def answer_positions(window: QaWindow, start: int, end: int) -> tuple[int, int]:
    """Token positions of the characters ``start:end``, or (0, 0) when the window does not hold all of them."""
    inside = [i for i, (a, b) in enumerate(window.offsets) if a >= 0 and a < end and b > start]
    if not inside or window.offsets[inside[0]][0] > start or window.offsets[inside[-1]][1] < end:
        return 0, 0
    return inside[0], inside[-1]


def training_features(windows: Iterable[QaWindow], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Windows with the first answer's token positions as `start_positions` and `end_positions`."""
    features = []
    for window in windows:
        answers = rows[window.row]["answers"]
        start = answers[0]["answer_start"] if answers else 0
        first, last = answer_positions(window, start, start + len(answers[0]["text"])) if answers else (0, 0)
        features.append(
            {
                "input_ids": window.input_ids,
                "token_type_ids": window.token_type_ids,
                "start_positions": first,
                "end_positions": last,
            }
        )
    return features


def with_foreign_questions(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Extra rows whose question belongs to another passage, so that the answer is not in the text.

    Args:
        rows: Where questions and passages come from.
        share: Extra rows per row, in [0, 1].
        seed: Of the draw.
    """
    draw = random.Random(seed)
    asked = draw.sample(list(rows), int(len(rows) * share))
    extra = []
    for row in asked:
        other = draw.choice(rows)
        # same source: the same kind of text; another passage without the answer's words in it
        if other["source"] == row["source"] and not _may_answer(row, other["context"]):
            extra.append({**row, "id": f"{row['id']}-foreign", "context": other["context"], "answers": []})
    return extra


def _may_answer(row: Row, context: str) -> bool:
    return row["context"] == context or any(a["text"].lower() in context.lower() for a in row["answers"])


def best_span(
    windows: Sequence[QaWindow],
    start_logits: Sequence[np.ndarray],
    end_logits: Sequence[np.ndarray],
    max_answer_tokens: int = MAX_ANSWER_TOKENS,
) -> Span:
    """The best span over all windows of one row.

    Args:
        windows: Windows of the row.
        start_logits: Per window: (tokens,).
        end_logits: Per window: (tokens,).
        max_answer_tokens: Longest answer considered.
    """
    null = min(float(s[0] + e[0]) for s, e in zip(start_logits, end_logits, strict=True))
    found = [
        _best_in_window(w, s, e, max_answer_tokens) for w, s, e in zip(windows, start_logits, end_logits, strict=True)
    ]
    score, start, end = max(found)
    return Span(start, end, score - null)


def trimmed(context: str, start: int, end: int) -> tuple[int, int]:
    """Without what some tokenizers count to a word: blanks, and Chinese marks that part sentences."""
    found = _TRIMMED.fullmatch(context, start, end)
    assert found is not None, "each of its parts may be empty"
    return found.span(1)


def _best_in_window(
    window: QaWindow, start_logits: np.ndarray, end_logits: np.ndarray, max_answer_tokens: int
) -> tuple[float, int, int]:
    size = len(window.offsets)
    inside = np.array([a >= 0 for a, _ in window.offsets])
    if not inside.any():
        return -np.inf, 0, 0
    starts = np.where(inside, start_logits[:size], -np.inf)
    ends = np.where(inside, end_logits[:size], -np.inf)
    scores = starts[:, None] + ends[None, :]
    allowed = np.triu(np.ones((size, size), dtype=bool)) & ~np.triu(
        np.ones((size, size), dtype=bool), max_answer_tokens
    )
    first, last = divmod(int(np.argmax(np.where(allowed, scores, -np.inf))), size)
    return float(scores[first, last]), window.offsets[first][0], window.offsets[last][1]
