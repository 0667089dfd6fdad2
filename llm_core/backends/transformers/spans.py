"""Extractive question answering on an encoder: the best span of each context, with exact character offsets.

Windows of question and context are cut by the same code as in training (`data.question_answering`), so that the model
sees what it learned on. The windows of all contexts of a call are computed together.

Shape legend: B = rows of a batch, T = tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from llm_core.backends.base import Attribution, Decision, Span
from llm_core.backends.transformers.attribution import Gradients
from llm_core.backends.transformers.encoder import Explained
from llm_core.backends.transformers.token_batches import TokenRow
from llm_core.data.question_answering import (
    MAX_QUESTION_TOKENS,
    QaWindow,
    answer_positions,
    best_in_window,
    make_windows,
    trimmed,
)
from llm_core.errors import InputError
from llm_core.types import CancelToken

_SPECIAL_TOKENS = 4


class SpanModel(Explained):
    """Finds answers in contexts; see `ExtractsSpans` and `Attributes`."""

    def compute(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Start and end logits, (B, T, 2)."""
        outputs = self._model(**batch)
        return torch.stack((outputs.start_logits, outputs.end_logits), dim=-1)

    def extract(self, questions: Sequence[str], contexts: Sequence[str], cancel: CancelToken) -> list[Span]:
        """See `ExtractsSpans.extract`."""
        windows, logits = self._read(questions, contexts, cancel)
        found: list[list[Span]] = [[] for _ in contexts]
        for window, window_logits in zip(windows, logits, strict=True):
            score, start, end = best_in_window(contexts[window.row], window, window_logits)
            found[window.row].append(Span(start, end, score, float(window_logits[0].sum())))
        threshold = self.calibration.no_answer_threshold
        return [_trimmed(_best(spans, threshold), context) for spans, context in zip(found, contexts, strict=True)]

    def answer_probability(self, span: Span) -> float:
        """See `ExtractsSpans.answer_probability`."""
        return self.calibration.answer_is_right(span.score - span.null_score + self.calibration.no_answer_threshold)

    def decision_probabilities(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[float]:
        """See `WeighsDecisions.decision_probabilities`."""
        questions, contexts = ([decision.texts[part] for decision in decisions] for part in (0, 1))
        windows, logits = self._read(questions, contexts, cancel)
        found = [[0.0] for _ in decisions]
        for window, own in zip(windows, logits, strict=True):
            first, last = answer_positions(window, *(decisions[window.row].span or (0, 0)))
            if (first, last) != (0, 0):
                chances = np.exp(log_softmax(own[: len(window.offsets)], axis=0))
                found[window.row].append(float(chances[first, 0] * chances[last, 1]))
        if not all(len(own) > 1 for own in found):
            raise InputError("span", "must be within the context, and short enough for one window")
        return [max(own) for own in found]

    def explain(self, decision: Decision, gradients: Gradients) -> Attribution:
        """Of the window that decided: the one surest of the span; of "not in this context", the least sure one."""
        question, context = decision.texts
        windows, logits = self._read([question], [context], gradients.cancel)
        start, end = decision.span or (0, 0)
        at = [answer_positions(window, start, end) if decision.span else (0, 0) for window in windows]
        scores = [float(own[first, 0] + own[last, 1]) for own, (first, last) in zip(logits, at, strict=True)]
        holding = [number for number, found in enumerate(at) if found != (0, 0) or decision.span is None]
        if not holding:
            raise InputError("span", "must be within the context, and short enough for one window")
        choose = max if decision.span else min
        chosen = choose(holding, key=lambda number: scores[number])
        first, last = at[chosen]
        window = windows[chosen]
        return gradients.of(
            self._row(window),
            (tuple(window.question_offsets), tuple(window.offsets)),
            lambda outputs: outputs.start_logits[:, first] + outputs.end_logits[:, last],
        )

    def _read(
        self, questions: Sequence[str], contexts: Sequence[str], cancel: CancelToken
    ) -> tuple[list[QaWindow], list[NDArray[np.float32]]]:
        pairs = [{"question": q, "context": c} for q, c in zip(questions, contexts, strict=True)]
        marked = self.calibration.mark_shared_words
        windows = make_windows(self._tokenizer, pairs, self.max_tokens, self.stride, marked)
        return windows, self.run([self._row(window) for window in windows], cancel)

    @property
    def stride(self) -> int:
        """Tokens that neighbouring windows share: as measured, or a third of what a long question leaves."""
        third = max(1, (self.max_tokens - MAX_QUESTION_TOKENS - _SPECIAL_TOKENS) // 3)
        return third if self.calibration.stride is None else self.calibration.stride

    def _row(self, window: QaWindow) -> TokenRow:
        return TokenRow(window.input_ids, window.token_type_ids if self._with_types else None)


def _best(spans: Sequence[Span], threshold: float) -> Span:
    """The best of one context's windows; its rival is the window least sure that it holds no answer, as in training.

    The fitted threshold is part of the null score, so that a span is to be shown when its score is the greater one.
    """
    best = max(spans, key=lambda span: span.score)
    return Span(best.start, best.end, best.score, min(span.null_score for span in spans) + threshold)


def _trimmed(span: Span, context: str) -> Span:
    start, end = trimmed(context, span.start, span.end)
    return Span(start, end, span.score, span.null_score)
