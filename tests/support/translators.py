"""Translators without a model, whose answers a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llm_core.backends.base import Attention, Hypothesis
from llm_core.backends.pieces import piece_spans
from llm_core.data.dictionary import Dictionary
from tests.support.echo import echo_spec

PAIRS = (("en", "zh"), ("zh", "en"), ("en", "de"), ("ru", "zh"))


class ScriptedTranslator:
    """Answers with what a function makes of each sentence; words look at the word in the same place.

    Args:
        answer: Gives the hypotheses' texts for a sentence, best first; fewer than asked for are filled up.
        low: Threshold below which it is not to be trusted; hypothesis number n has -n-1 a token.
        pairs: Languages.
        dictionary: What it looks words up in.
    """

    device = "cpu"

    def __init__(
        self,
        answer: Callable[[str], str | Sequence[str]],
        low: float | None = None,
        pairs: Any = PAIRS,
        dictionary: Dictionary | None = None,
    ) -> None:
        self.spec = echo_spec("scripted", head="seq2seq", tasks=("translate",), language_pairs=pairs)
        self.low_log_probability = low
        self.dictionary = dictionary
        self.calls: list[tuple[list[str], str, str]] = []
        self._answer = answer

    def language_pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset(self.spec.language_pairs)

    def translate(self, sentences: Any, source: str, target: str, cancel: Any, *, beam_size: int = 4) -> list[str]:
        return [each[0].text for each in self.hypotheses(sentences, source, target, cancel)]

    def hypotheses(
        self,
        sentences: Sequence[str],
        source: str,
        target: str,
        cancel: Any,
        *,
        beam_size: int = 4,
        count: int = 1,
        attention: bool = False,
    ) -> list[list[Hypothesis]]:
        cancel.check()
        self.calls.append((list(sentences), source, target))
        return [self._hypotheses(sentence, count, attention) for sentence in sentences]

    def _hypotheses(self, sentence: str, count: int, attention: bool) -> list[Hypothesis]:
        answer = self._answer(sentence)
        texts = [answer] if isinstance(answer, str) else list(answer)
        texts += texts[-1:] * (count - len(texts))
        return [
            Hypothesis(text, -number - 1.0, diagonal(sentence, text) if attention else None)
            for number, text in enumerate(texts[:count])
        ]


def diagonal(source: str, target: str) -> Attention:
    """Each word (or, without blanks, character) looks at the one in its place."""
    read, written = (text.split() if " " in text else list(text) for text in (source, target))
    weights = np.eye(len(written), len(read), dtype=np.float32)
    return Attention(weights, piece_spans(source, read), piece_spans(target, written))
