"""Natural language inference on an encoder: whether a text supports a statement.

Shape legend: B = rows of a batch, C = classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from llm_core.backends.transformers.encoder import Array, EncoderModel
from llm_core.catalog import ENTAILMENT
from llm_core.errors import InputError
from llm_core.types import CancelToken


class EntailmentModel(EncoderModel):
    """Pairs of texts to logits; see `Entails`."""

    def compute(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits of entailment, (B, 1)."""
        logits_BC: torch.Tensor = self._model(**batch).logits
        at = self.spec.labels.index(ENTAILMENT)
        return logits_BC[:, at : at + 1].float() / self.calibration.temperature

    def entailment(self, premises: Sequence[str], hypotheses: Sequence[str], cancel: CancelToken) -> Array:
        """See `Entails.entailment`."""
        encoded = self._tokenizer(
            list(premises), list(hypotheses), return_token_type_ids=self._with_types, return_attention_mask=False
        )
        rows = self._rows(encoded)
        if rows and (longest := max(len(row.input_ids) for row in rows)) > self.max_tokens:
            raise InputError(
                "text", f"has with a label {longest} tokens, and the model reads {self.max_tokens} at once"
            )
        return np.array([result[0] for result in self.run(rows, cancel)], np.float32)
