"""Answers one at a time through a compiled step (`torch.compile`) over keys and values of fixed size (transformers'
`StaticCache`): for GPUs, where launching the kernels of one token takes longer than running them.

Prompts are read uncompiled, because each length would be compiled anew. All passes run in one thread: the CUDA graphs
that are recorded for the step belong to the thread that recorded them.

Shape legend: T = tokens, V = vocabulary.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from transformers import StaticCache

CACHE_TOKENS = 4096
"""Prompt and answer together; a longer cache costs time at each token, because all of it is attended to."""

Forward = Callable[[torch.Tensor], torch.Tensor]
"""The next ids (T,) of an answer to logits (V,) of what follows them, in float32."""


class CompiledSteps:
    """Compiles when it is made, so that no answer waits for it.

    Args:
        model: transformers' own, on its device.
        context_length: Tokens that it reads.

    Raises:
        Exception: torch cannot compile it here, or finds no compiler.
    """

    def __init__(self, model: Any, context_length: int) -> None:
        self._model = model
        self._tokens = min(context_length, CACHE_TOKENS)
        self._cache = StaticCache(config=model.config, max_cache_len=self._tokens)
        self._step = torch.compile(self._pass, mode="reduce-overhead")
        self._taken = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compiled-steps")
        try:
            for ids in ([0, 0], [0], [0], [0]):  # the second step is recorded, the third is the record
                self._forward(torch.tensor(ids, device=model.device))
        except BaseException:
            self.close()
            raise

    @property
    def memory_bytes(self) -> int:
        """Held by keys and values."""
        layers: Any = self._cache.layers
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)

    @contextmanager
    def lent(self, tokens: int) -> Iterator[Forward | None]:
        """What computes one answer from its beginning.

        Args:
            tokens: Of prompt and answer together.

        Yields:
            ``None`` when it does not fit, or another answer is being written.
        """
        if tokens > self._tokens or not self._taken.acquire(blocking=False):
            yield None
            return
        try:
            self._thread.submit(self._forget).result()
            yield self._forward
        finally:
            self._taken.release()

    def close(self) -> None:
        """Free what was compiled."""
        self._thread.shutdown()
        self._model = self._step = None  # type: ignore[assignment]

    @torch.inference_mode()
    def _forget(self) -> None:
        self._cache.reset()  # type: ignore[no-untyped-call]

    def _forward(self, ids_T: torch.Tensor) -> torch.Tensor:
        return self._thread.submit(self._run, ids_T).result()

    @torch.inference_mode()
    def _run(self, ids_T: torch.Tensor) -> torch.Tensor:
        if len(ids_T) > 1:
            return self._pass(ids_T)
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return self._step(ids_T).clone()  # the next step writes where this one's result is

    def _pass(self, ids_T: torch.Tensor) -> torch.Tensor:
        output = self._model(input_ids=ids_T[None], past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        logits_V: torch.Tensor = output.logits[0, -1].float()
        return logits_V
