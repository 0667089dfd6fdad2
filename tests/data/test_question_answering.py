"""Windows: what is cut comes back at the same characters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_core.data.question_answering import (
    MAX_ANSWER_TOKENS,
    MAX_QUESTION_TOKENS,
    QaWindow,
    answer_positions,
    best_in_window,
    best_span,
    make_windows,
    training_features,
    with_foreign_questions,
)
from llm_core.errors import InputError

WORDS = st.lists(st.sampled_from(["the", "good", "bad", "a1", "xyz", "naïve", "猫", "don't"]), min_size=1, max_size=120)


def _row(context: str, question: str = "good?", answer: str | None = None, source: str = "s") -> dict[str, Any]:
    answers = [] if answer is None else [{"text": answer, "answer_start": context.index(answer)}]
    return {"id": "1", "context": context, "question": question, "answers": answers, "source": source}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS, data=st.data())
def test_an_answer_survives_the_round_trip(tokenizer: Any, words: list[str], data: st.DataObject) -> None:
    context = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = min(len(words), first + data.draw(st.integers(1, 3)))
    start = len(" ".join(words[:first])) + (first > 0)
    end = len(" ".join(words[:last]))
    windows = make_windows(tokenizer, [_row(context)], max_length=96, stride=24)
    found = [(w, answer_positions(w, start, end)) for w in windows]
    hits = [(w, p) for w, p in found if p != (0, 0)]
    assert hits, "neighbouring windows overlap by more than the answer's tokens, so one holds it whole"
    for window, (a, b) in hits:
        assert context[window.offsets[a][0] : window.offsets[b][1]] == context[start:end]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS)
def test_windows_cover_the_whole_passage(tokenizer: Any, words: list[str]) -> None:
    windows = make_windows(tokenizer, [_row(" ".join(words))], max_length=96, stride=24)
    covered = {i for w in windows for a, b in w.offsets if a >= 0 for i in range(a, b)}
    assert covered == {i for i, c in enumerate(" ".join(words)) if c != " "}
    assert all(len(w.input_ids) <= 96 for w in windows)


def test_an_endless_question_leaves_room_for_the_passage(tokenizer: Any) -> None:
    windows = make_windows(tokenizer, [_row("the good cat", "why " * 500)], max_length=96, stride=24)
    assert windows[0].token_type_ids.index(1) <= MAX_QUESTION_TOKENS + 2
    assert any(a >= 0 for a, _ in windows[0].offsets)


def test_too_short_windows_are_refused(tokenizer: Any) -> None:
    with pytest.raises(InputError, match="max_length: must be at least 92"):
        make_windows(tokenizer, [_row("a")], max_length=64, stride=24)


def test_features_point_at_the_answer_or_at_nothing(tokenizer: Any) -> None:
    rows = [_row("the bad good", answer="bad"), _row("the good")]
    answered, empty = training_features(make_windows(tokenizer, rows, 96, 24), rows)
    assert tokenizer.decode(answered["input_ids"][answered["start_positions"] : answered["end_positions"] + 1]) == "bad"
    assert (empty["start_positions"], empty["end_positions"]) == (0, 0)


def test_the_best_span_wins_over_all_windows(tokenizer: Any) -> None:
    context = " ".join(["the"] * 100 + ["good"])
    windows = make_windows(tokenizer, [_row(context)], 96, 24)
    position = next(i for i, (a, _) in enumerate(windows[-1].offsets) if context[a:].startswith("good"))
    logits = [np.zeros((len(w.offsets), 2)) for w in windows]
    logits[-1][position] = 5.0
    span = best_span(context, windows, logits)
    assert context[span.start : span.end] == "good"
    assert span.margin == 10.0


def test_a_span_never_runs_backwards_nor_too_long(tokenizer: Any) -> None:
    context = "the bad good the"
    windows = make_windows(tokenizer, [_row(context)], 96, 24)
    logits, first = np.zeros((len(windows[0].offsets), 2)), windows[0].token_type_ids.index(1)
    logits[first + 2, 0], logits[first, 1], logits[first + 3, 1] = 9.0, 8.0, 1.0
    assert best_span(context, windows, [logits]).start == 8
    assert best_span(context, windows, [logits], max_answer_tokens=1).end == 12


def _score_by_trying_all(context: str, offsets: list[tuple[int, int]], logits: np.ndarray) -> float:
    size = len(offsets)
    return max(
        (float(logits[i, 0] + logits[j, 1]) for i in range(size) for j in range(i, min(size, i + MAX_ANSWER_TOKENS))
         if offsets[i][0] >= 0 and offsets[j][0] >= 0 and "。" not in context[offsets[i][0] : offsets[j][0]]),
        default=-np.inf,
    )  # fmt: skip


@given(st.integers(0, 2**32 - 1), st.integers(0, 50), st.text("ab。 ", max_size=60))
def test_the_best_of_a_window_is_the_best_of_all(seed: int, question: int, context: str) -> None:
    offsets = [(-1, -1)] * (question + 1) + [(i, i + 1) for i in range(len(context))] + [(-1, -1)]
    logits = np.random.default_rng(seed).normal(size=(len(offsets) + 5, 2)).astype(np.float32)
    window = QaWindow(0, [], [], offsets, [])
    score, start, end, _ = best_in_window(context, window, logits)
    assert score == pytest.approx(_score_by_trying_all(context, offsets, logits), abs=1e-5)
    assert "。" not in context[start : end - 1]


@pytest.mark.parametrize(("mark", "answer"), [("。", "good。"), ("，", "good， bad")])
def test_a_span_stays_in_its_chinese_sentence(mark: str, answer: str, tokenizer: Any) -> None:
    context = f"the good{mark} bad the"
    (window,) = make_windows(tokenizer, [_row(context)], 96, 24)
    logits = np.zeros((len(window.offsets), 2))
    first, stop, last = (
        next(i for i, (a, b) in enumerate(window.offsets) if context[a:b] == word) for word in ("good", mark, "bad")
    )
    logits[first, 0], logits[stop, 1], logits[last, 1] = 9.0, 1.0, 5.0
    span = best_span(context, [window], [logits])
    assert context[span.start : span.end] == answer


def test_answers_in_the_sentence_of_the_question_are_preferred(tokenizer: Any) -> None:
    context = "the good . xyz bad . the the ."
    first, second = (
        make_windows(tokenizer, [_row(context, "what is xyz?")], 96, 24, overlap_weight=weight) for weight in (0.0, 6.0)
    )
    logits = np.zeros((len(first[0].offsets), 2))
    good, bad = (
        next(i for i, (a, b) in enumerate(first[0].offsets) if context[a:b] == word) for word in ("good", "bad")
    )
    logits[good], logits[bad] = 3.0, 2.5
    plain, preferred = (best_span(context, windows, [logits]) for windows in (first, second))
    assert context[plain.start : plain.end] == "good" and plain.margin == 6.0
    assert context[preferred.start : preferred.end] == "bad" and preferred.margin == 5.0
    assert best_span(context, second, [logits], overlap_in_margin=True).margin > 6.0


def test_a_passage_without_tokens_has_no_answer(tokenizer: Any) -> None:
    windows = make_windows(tokenizer, [_row(" ")], 96, 24)
    assert best_span(" ", windows, [np.zeros((len(windows[0].offsets), 2))]).margin == -np.inf


def test_foreign_questions_are_not_answered_by_their_passage() -> None:
    rows = [_row(f"passage {i} says n{i}x", answer=f"n{i}x") for i in range(50)]
    extra = with_foreign_questions(rows, 0.5, seed=1)
    assert len(extra) > 15
    assert all(not row["answers"] and row["id"].endswith("-foreign") for row in extra)
    assert extra == with_foreign_questions(rows, 0.5, seed=1)
