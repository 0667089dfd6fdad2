"""Sentence embeddings that servers of the owner compute (``/embeddings``); see `backends.base.Embeds`.

Texts longer than the model reads are cut and their parts' vectors averaged, weighted by length. Asking again does no
harm, so any endpoint that fails is replaced by another.

Shape legend: B = texts, P = parts of texts, D = embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_core.backends.remote.asking import Asking
from llm_core.backends.remote.failures import EndpointFailure, Refused
from llm_core.backends.remote.lengths import parts_of
from llm_core.backends.remote.replicas import Replica
from llm_core.backends.remote.responses import whole
from llm_core.backends.remote.served import Served
from llm_core.backends.remote.wire import EMBEDDINGS, embedding_request, vectors_of
from llm_core.errors import BackendError
from llm_core.types import CancelToken

BATCH_TEXTS = 32
"""In one request; text-embeddings-inference takes no more by default."""

Vectors = NDArray[np.float32]


class RemoteEmbedder(Served):
    """See the module."""

    def embed(self, texts: Sequence[str], cancel: CancelToken) -> Vectors:
        """See `Embeds.embed`; of no texts, shape (0, 0).

        Raises:
            InputError: The servers find a text too long.
            NoAnswerError: No endpoint answered.
            BackendError: They refuse, or their vectors do not belong to one model.
            CancelledError, DeadlineExceededError: As the token says.
        """
        cancel.check()
        if not texts:
            return np.empty((0, 0), np.float32)
        cut = [parts_of(text, self.context_length) for text in texts]
        parts = [part for each in cut for part in each]
        starts = range(0, len(parts), BATCH_TEXTS)
        batches = [self._embedded(parts[start : start + BATCH_TEXTS], cancel) for start in starts]
        if len({batch.shape[1] for batch in batches}) > 1:
            raise BackendError(f"the servers of {self.spec.title} serve different models: their vectors differ in size")
        return _means(np.concatenate(batches), [[len(part) for part in each] for each in cut])

    def _embedded(self, texts: Sequence[str], cancel: CancelToken) -> Vectors:
        """Unit vectors of a batch, (P, D)."""
        asking = Asking(self.spec.title, self._replicas, cancel)
        while (replica := asking.take()) is not None:
            try:
                with self._replicas.leased(replica):
                    return self._answer(replica, texts, cancel)
            except Refused as refusal:
                raise self._error(refusal, "text") from refusal
            except EndpointFailure as failure:
                asking.failed(replica, failure)
        raise asking.no_answer()

    def _answer(self, replica: Replica, texts: Sequence[str], cancel: CancelToken) -> Vectors:
        body, silence = embedding_request(self._model, texts), self._model.silence_seconds
        with self._channel.stream(replica.endpoint, EMBEDDINGS, body, silence, cancel, read=whole) as answers:
            [answer] = answers
            return vectors_of(answer, len(texts))


def _means(parts_PD: Vectors, lengths: Sequence[Sequence[int]]) -> Vectors:
    """Unit vectors of whole texts, (B, D).

    Args:
        parts_PD: Unit vectors of their parts, one text after the other.
        lengths: Of each text's parts, in characters.
    """
    ends = np.cumsum([len(each) for each in lengths])[:-1]
    whole_BD = np.stack(
        [np.maximum(each, 1) @ part_PD for each, part_PD in zip(lengths, np.split(parts_PD, ends), strict=True)]
    )
    return np.asarray(whole_BD / np.linalg.norm(whole_BD, axis=1, keepdims=True), dtype=np.float32)
