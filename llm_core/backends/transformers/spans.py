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
    best_span,
    make_windows,
    trimmed,
)
from llm_core.data.windows import windows_by_row
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
        return [
            self._best(context, [windows[number] for number in own], [logits[number] for number in own])
            for context, own in zip(contexts, windows_by_row(windows, len(contexts)), strict=True)
        ]

    def _best(self, context: str, windows: Sequence[QaWindow], logits: Sequence[NDArray[np.float32]]) -> Span:
        """The best of one context's windows, as in training.

        The fitted threshold is part of the null score, so that a span is to be shown when its score is the greater one.
        """
        found = best_span(context, windows, logits, overlap_in_margin=self.calibration.overlap_in_margin)
        null = min(float(own[0].sum()) for own in logits)
        threshold = self.calibration.no_answer_threshold
        return Span(*trimmed(context, found.start, found.end), found.margin + null, null + threshold)

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
        marked, weight = self.calibration.mark_shared_words, self.calibration.overlap_weight
        windows = make_windows(self._tokenizer, pairs, self.max_tokens, self.stride, marked, weight)
        return windows, self.run([self._row(window) for window in windows], cancel)

    @property
    def stride(self) -> int:
        """Tokens that neighbouring windows share: as measured, or a third of what a long question leaves."""
        third = max(1, (self.max_tokens - MAX_QUESTION_TOKENS - _SPECIAL_TOKENS) // 3)
        return third if self.calibration.stride is None else self.calibration.stride

    def _row(self, window: QaWindow) -> TokenRow:
        return TokenRow(window.input_ids, window.token_type_ids if self._with_types else None)
