"""Text classification on an encoder: calibrated probabilities of labels, and which pieces of a text drove them.

Shape legend: B = rows of a batch, C = classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from llm_core.backends.base import Attribution, Decision
from llm_core.backends.transformers.attribution import Gradients, log_odds, mean
from llm_core.backends.transformers.encoder import Array, Explained
from llm_core.errors import InputError
from llm_core.types import CancelToken


class ClassifierModel(Explained):
    """Texts to calibrated label probabilities; see `Classifies` and `Attributes`."""

    def compute(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Probabilities, (B, C)."""
        return torch.softmax(self._logits(self._model(**batch)), dim=-1)

    def classify(self, texts: Sequence[str], cancel: CancelToken) -> Array:
        """See `Classifies.classify`."""
        if not texts:
            return np.empty((0, len(self.spec.labels)), np.float32)
        return self.average(*self.run_texts(texts, cancel), len(texts))

    def decision_probabilities(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[float]:
        """See `WeighsDecisions.decision_probabilities`."""
        labels = [self._index(decision) for decision in decisions]
        rows = self.classify([decision.texts[0] for decision in decisions], cancel)
        return [float(row[label]) for row, label in zip(rows, labels, strict=True)]

    def explain(self, decision: Decision, gradients: Gradients) -> Attribution:
        """The mean of the text's windows by their tokens, as in `classify`."""
        label = self._index(decision)
        rows, places = self.windows_of(decision.texts[0])
        found = [
            gradients.of(row, (at,), lambda outputs: log_odds(self._logits(outputs), label))
            for row, at in zip(rows, places, strict=True)
        ]
        return mean(found, [len(row.input_ids) for row in rows])

    def _index(self, decision: Decision) -> int:
        if decision.label not in self.spec.labels:
            raise InputError("label", f"must be one of {', '.join(self.spec.labels)}")
        return self.spec.labels.index(decision.label)

    def _logits(self, outputs: Any) -> torch.Tensor:
        logits_BC: torch.Tensor = outputs.logits
        return logits_BC.float() / self.calibration.temperature
