"""The `transformers` runtime: Hub-layout directories and LoRA adapters, on CPU, CUDA or MPS.

`TransformersBackend.open` only picks the loader for an entry's head; torch and transformers are imported when the
first model is opened, so that a page can be served before. Only safetensors are read and no code of a checkpoint is
ever run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from llm_core.backends.base import LoadedModel, ModelFiles
from llm_core.catalog import LABELLED_HEADS, ModelSpec
from llm_core.errors import BackendError
from llm_core.hardware import available_cores, configure_torch, default_device

Opener = Callable[[ModelSpec, ModelFiles, str], LoadedModel]
STREAMS = {"cuda": 16, "cpu": 4}
"""Answers that a decoder writes at once, by kind of device. One in a batch takes as long as one alone, four on a CPU
core 1.5 times as long (docs/benchmarks.md); a GPU has room for more."""


class TransformersBackend:
    """Opens entries whose `backend` is ``"transformers"``.

    Args:
        threads: CPU threads of torch; default: the cores this container has.
        device: torch device, such as ``"cuda"``; default: the best there is.
        streams: Answers a decoder writes at once; default: those of `STREAMS`, or one.
    """

    def __init__(self, threads: int | None = None, device: str | None = None, streams: int | None = None) -> None:
        self._threads = threads or available_cores()
        self._device = device
        self._streams = streams

    def open(self, spec: ModelSpec, files: ModelFiles) -> LoadedModel:
        """Load a model; see `Backend.open`.

        Raises:
            WeightsError: The files are not what the entry's head needs, or hold what is never read (pickles, code).
            OutOfMemoryError: They do not fit.
        """
        configure_torch(self._threads)
        device = self._device or default_device()
        streams = self._streams or STREAMS.get(device.partition(":")[0], 1)
        return _opener(spec.head, streams)(spec, files, device)


def _opener(head: str, streams: int) -> Opener:
    if head in ("embedding", *LABELLED_HEADS, "span_extraction"):
        from llm_core.backends.transformers.encoder import open_encoder

        return open_encoder
    if head == "causal_lm" and streams > 1:
        from llm_core.backends.transformers.batched_decoder import open_batched_decoder

        return functools.partial(open_batched_decoder, streams=streams)
    if head == "causal_lm":
        from llm_core.backends.transformers.decoder import open_decoder

        return open_decoder
    if head == "seq2seq":
        from llm_core.backends.transformers.seq2seq import open_seq2seq

        return open_seq2seq
    raise BackendError(f"the transformers runtime has no loader for head {head!r}")
