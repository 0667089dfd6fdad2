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
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from llm_core.data.loaders import Row
from llm_core.data.shared_words import sentence_overlap, shared_words, token_marks
from llm_core.data.words import CHINESE_STOPS
from llm_core.errors import InputError

MAX_QUESTION_TOKENS = 64
"""Longer questions are cut; the passage needs the room."""
MAX_ANSWER_TOKENS = 30
"""Longest answer considered."""
_SENTENCE_END = re.compile(f"[{CHINESE_STOPS}]")
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
    overlap_logits: NDArray[np.floating] | None = None
    """Per token: what is added to the logit of an answer that begins there, or nothing."""


@dataclass(frozen=True)
class Span:
    """The best answer of a passage."""

    start: int
    end: int
    """Character range in the passage."""
    margin: float
    """Logit of the span minus logit of "not in the text"; above the fitted threshold it counts as an answer."""


class WindowSpan(NamedTuple):
    """The best span of one window; the greater one is the better."""

    preference: float
    """Its score and the overlap logit of its sentence."""
    start: int
    end: int
    score: float
    """Start logit and end logit."""


def make_windows(
    tokenizer: Any,
    rows: Sequence[Row],
    max_length: int,
    stride: int,
    mark_shared_words: bool = False,
    overlap_weight: float = 0.0,
) -> list[QaWindow]:
    """Cuts rows into windows.

    Args:
        tokenizer: A fast tokenizer of a BERT-shaped encoder.
        rows: Rows with `question` and `context`.
        max_length: Tokens of a window, special tokens included.
        stride: Tokens that neighbouring windows share.
        mark_shared_words: Let token types tell the words of the passage that the question has, too, instead of telling
            passage and question apart.
        overlap_weight: What is added to the logit of an answer in a sentence that has all of the question's words; one
            with a share of them gets that share, see `sentence_overlap`.

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
    if mark_shared_words:
        marks = [shared_words(row["question"], row["context"]) for row in rows]
        windows = [replace(each, token_type_ids=token_marks(each.offsets, marks[each.row])) for each in windows]
    if overlap_weight:
        shares = [overlap_weight * sentence_overlap(row["question"], row["context"]) for row in rows]
        windows = [replace(each, overlap_logits=_at_tokens(shares[each.row], each.offsets)) for each in windows]
    return windows


def _at_tokens(of_characters: NDArray[np.floating], offsets: Sequence[tuple[int, int]]) -> NDArray[np.floating]:
    return np.array([of_characters[start] if start >= 0 else 0.0 for start, _ in offsets])


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
    context: str,
    windows: Sequence[QaWindow],
    logits: Sequence[NDArray[np.floating]],
    max_answer_tokens: int = MAX_ANSWER_TOKENS,
    overlap_in_margin: bool = False,
) -> Span:
    """The best span over all windows of one row, chosen with the overlap of its sentence, where windows have it.

    Args:
        context: The row's passage.
        windows: Windows of the row.
        logits: Per window: start and end logits, (at least its tokens, 2).
        max_answer_tokens: Longest answer considered.
        overlap_in_margin: Let the overlap tell, too, whether there is an answer at all.
    """
    null = min(float(own[0].sum()) for own in logits)
    found = [
        best_in_window(context, window, own, max_answer_tokens) for window, own in zip(windows, logits, strict=True)
    ]
    best = max(found)
    return Span(best.start, best.end, (best.preference if overlap_in_margin else best.score) - null)


def best_in_window(
    context: str, window: QaWindow, logits: NDArray[np.floating], max_answer_tokens: int = MAX_ANSWER_TOKENS
) -> WindowSpan:
    """The best span of a window; see `best_span`.

    A span does not go on beyond a mark that ends a Chinese sentence. Without a token of the passage its score is -inf.
    """
    size = len(window.offsets)
    begins = np.array([start for start, _ in window.offsets])
    inside = begins >= 0
    if not inside.any():
        return WindowSpan(-np.inf, 0, 0, -np.inf)
    overlap = np.zeros(size) if window.overlap_logits is None else window.overlap_logits
    starts = np.where(inside, logits[:size, 0] + overlap, -np.inf)
    padding = (0, max_answer_tokens - 1)
    ends = np.pad(np.where(inside, logits[:size, 1], -np.inf), padding, constant_values=-np.inf)
    last = max(end for _, end in window.offsets)
    marks = [mark.start() for mark in _SENTENCE_END.finditer(context, begins[inside][0], last)]
    sentences = np.pad(np.searchsorted(marks, begins), padding, constant_values=-1)
    # (T, answer tokens): each token with those that an answer which begins there could end with
    reached, of_sentence = (sliding_window_view(each, max_answer_tokens) for each in (ends, sentences))
    scores = np.where(of_sentence == sentences[:size, None], starts[:, None] + reached, -np.inf)
    first, further = divmod(int(np.argmax(scores)), max_answer_tokens)
    best = float(scores[first, further])
    return WindowSpan(best, window.offsets[first][0], window.offsets[first + further][1], best - float(overlap[first]))


def trimmed(context: str, start: int, end: int) -> tuple[int, int]:
    """Without what some tokenizers count to a word: blanks, and Chinese marks that part sentences."""
    found = _TRIMMED.fullmatch(context, start, end)
    assert found is not None, "each of its parts may be empty"
    return found.span(1)
