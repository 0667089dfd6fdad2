"""One encoder for several requests at once: their calls are computed in shared batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_core.backends.base import (
    Attributes,
    Attribution,
    Classifies,
    Decision,
    Embeds,
    Entails,
    ExtractsSpans,
    ForwardPass,
    NamedSpan,
    Span,
    Tags,
    Traces,
    WeighsDecisions,
)
from llm_core.batching import MicroBatcher
from llm_core.types import CancelToken


class SharedEncoder:
    """An encoder whose calls share batches with those of other requests.

    Args:
        model: What it can do is what the model can.
        batcher: Of all encoders on this device.
    """

    def __init__(self, model: Any, batcher: MicroBatcher) -> None:
        self._model = model
        self._batcher = batcher

    def classify(self, texts: Sequence[str], cancel: CancelToken) -> NDArray[np.float32]:
        """See `Classifies.classify`."""
        model: Classifies = self._model
        return np.asarray(self._batcher.run((id(model), "classify"), model.classify, texts, cancel))

    def embed(self, texts: Sequence[str], cancel: CancelToken) -> NDArray[np.float32]:
        """See `Embeds.embed`."""
        model: Embeds = self._model
        return np.asarray(self._batcher.run((id(model), "embed"), model.embed, texts, cancel))

    def tag(self, texts: Sequence[str], cancel: CancelToken) -> list[list[NamedSpan]]:
        """See `Tags.tag`."""
        model: Tags = self._model
        return self._batcher.run((id(model), "tag"), model.tag, texts, cancel)

    def extract(self, questions: Sequence[str], contexts: Sequence[str], cancel: CancelToken) -> list[Span]:
        """See `ExtractsSpans.extract`."""
        model: ExtractsSpans = self._model

        def extract_pairs(pairs: list[tuple[str, str]], batch_cancel: CancelToken) -> list[Span]:
            return model.extract([pair[0] for pair in pairs], [pair[1] for pair in pairs], batch_cancel)

        pairs = list(zip(questions, contexts, strict=True))
        return self._batcher.run((id(model), "extract"), extract_pairs, pairs, cancel)

    def entailment(
        self, premises: Sequence[str], hypotheses: Sequence[str], cancel: CancelToken
    ) -> NDArray[np.float32]:
        """See `Entails.entailment`."""
        model: Entails = self._model

        def of_pairs(pairs: list[tuple[str, str]], batch_cancel: CancelToken) -> NDArray[np.float32]:
            return model.entailment([pair[0] for pair in pairs], [pair[1] for pair in pairs], batch_cancel)

        pairs = list(zip(premises, hypotheses, strict=True))
        return np.asarray(self._batcher.run((id(model), "entailment"), of_pairs, pairs, cancel))

    def answer_probability(self, span: Span) -> float:
        """See `ExtractsSpans.answer_probability`."""
        model: ExtractsSpans = self._model
        return model.answer_probability(span)

    def attribute(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[Attribution]:
        """See `Attributes.attribute`. One by one: each takes long, and others' calls come in between."""
        model: Attributes = self._model
        key = (id(model), "attribute")
        calls = (self._batcher.run(key, model.attribute, [decision], cancel) for decision in decisions)
        return [attribution for found in calls for attribution in found]

    def decision_probabilities(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[float]:
        """See `WeighsDecisions.decision_probabilities`."""
        model: WeighsDecisions = self._model
        return self._batcher.run((id(model), "weigh"), model.decision_probabilities, decisions, cancel)

    def trace(self, text: str, max_pieces: int, cancel: CancelToken, target: str | None = None) -> ForwardPass:
        """See `Traces.trace`; one text at a time, on the thread where encoders compute."""
        model: Traces = self._model
        return self._batcher.alone(lambda: model.trace(text, max_pieces, cancel, target))
