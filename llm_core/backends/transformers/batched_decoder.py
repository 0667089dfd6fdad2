"""Hub decoders that write several answers at once; see `continuous_batch`."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

import torch

from llm_core.backends.base import LoadedModel
from llm_core.backends.transformers.continuous_batch import ContinuousBatch
from llm_core.backends.transformers.decoder import DecoderModel, load_decoder
from llm_core.backends.transformers.token_choice import Choice
from llm_core.catalog import ModelSpec
from llm_core.types import CancelToken, ModelFiles, Sampling

logger = logging.getLogger(__name__)


def open_batched_decoder(
    spec: ModelSpec, files: ModelFiles, device: str, streams: int, dtype: torch.dtype | None = None
) -> LoadedModel:
    """As `open_decoder`, for `streams` answers at once; a model that transformers cannot batch writes one at a time."""
    model, tokenizer, _ = load_decoder(spec, files, device, dtype)
    try:
        return BatchedDecoder(spec, model, tokenizer, device, streams)
    except (ValueError, NotImplementedError) as error:
        logger.warning("%s writes one answer at a time: transformers cannot batch it (%s)", spec.id, error)
        return DecoderModel(spec, model, tokenizer, device)


class BatchedDecoder(DecoderModel):
    """A decoder in memory whose answers share every pass; see `backends.base.AnswersTogether`.

    Raises:
        ValueError: transformers cannot batch its architecture.
    """

    def __init__(self, spec: ModelSpec, model: Any, tokenizer: Any, device: str, streams: int) -> None:
        super().__init__(spec, model, tokenizer, device)
        self.max_streams = streams
        self._batch = ContinuousBatch(model, self._ends, streams, self.context_length)
        self.context_length = min(self.context_length, self._batch.cache_tokens)

    @property
    def memory_bytes(self) -> int:
        """Weights, and the keys and values of all answers."""
        return self._weight_bytes + self._batch.memory_bytes

    def close(self) -> None:
        """Free the memory."""
        self._batch.close()
        super().close()

    def _choices(self, ids: list[int], sampling: Sampling, cancel: CancelToken) -> Generator[Choice, None, None]:
        return self._batch.choices(ids, sampling, cancel)
