"""Many answers of one decoder at once: transformers' continuous batching, which takes requests in and lets them go
between any two tokens.

transformers has the loop, the paged cache and the schedule. Ours are the choice of each row's token (`token_choice`,
so that every answer has settings and a seed of its own), the tokens' way to their readers, and what follows a crash of
the loop: answers go on where they were, each **on trial**, one after the other, until its next token has come. The one
in whose trial the loop crashes again is to blame and gets the error; the others do not. After a crash for want of
memory half as many are written at once, until nothing is written any more.
"""

from __future__ import annotations

import gc
import itertools
import logging
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from llm_core.backends.transformers.answer_streams import Chooser, CrashError, Router, Stream
from llm_core.backends.transformers.token_choice import Choice, Row
from llm_core.errors import BackendError, OutOfMemoryError
from llm_core.types import CancelToken, Sampling

logger = logging.getLogger(__name__)
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)
_PAGE_TOKENS = 256
_CACHE_SHARE = 0.5
"""Keys and values take this part of the memory that is free at most, ..."""
_STREAM_TOKENS = 2048
"""... and room for answers of this length."""
_STEP_TOKENS = {"cuda": 2048, "cpu": 256}
"""Of prompts and answers, read in one pass; a long prompt takes several, and others go on in between."""
_NO_MEMORY = ("out of memory", "allocate memory", "available memory")


class ContinuousBatch:
    """Writes answers together; safe to use from many threads.

    Args:
        model: transformers' own, on its device.
        ends: Ids that end an answer.
        max_streams: Answers at once; further ones wait inside.
        context_length: Tokens of the longest prompt and answer.

    Raises:
        ValueError: transformers cannot batch this kind of model.
    """

    def __init__(self, model: Any, ends: frozenset[int], max_streams: int, context_length: int) -> None:
        self.max_streams = max_streams
        self._model, self._ends = model, sorted(ends)
        self._device: str = model.device.type
        self._token_bytes = _bytes_per_token(model)
        needed = max(_pages_of(context_length), max_streams * _pages_of(min(context_length, _STREAM_TOKENS)))
        room = int(_free_bytes(self._device) * _CACHE_SHARE) // (self._token_bytes * _PAGE_TOKENS)
        self._pages = max(1, min(needed, room))
        self._lock = threading.Lock()
        self._trial = threading.Lock()
        self._streams: dict[str, Stream] = {}
        self._numbers = itertools.count()
        self._answers = 0
        self._suspicious = False
        """Since a crash, until nothing is written any more."""
        self._at_once = max_streams
        self._closed = False
        self._manager: Any = None
        self._new_manager().destroy()

    @property
    def cache_tokens(self) -> int:
        """Room for keys and values: no prompt and answer together can be longer."""
        return self._pages * _PAGE_TOKENS

    @property
    def memory_bytes(self) -> int:
        """Held by keys and values."""
        return 0 if self._manager is None else self.cache_tokens * self._token_bytes

    def choices(self, ids: Sequence[int], sampling: Sampling, cancel: CancelToken) -> Generator[Choice, None, None]:
        """Up to `max_new_tokens` tokens after a prompt, or to one of the ends. Closing the generator takes the answer
        out of the batch.

        Raises:
            BackendError: The model fails on this prompt.
            OutOfMemoryError: It does not fit.
            CancelledError, DeadlineExceededError: As the token says.
        """
        row = Row(ids, sampling, self._device)
        left = sampling.max_new_tokens
        with self._counted():
            while left:
                on_trial = self._suspicious
                try:
                    with self._joined(row, left, on_trial, cancel) as stream:
                        while left:
                            choice = stream.next(cancel)
                            on_trial = False
                            left = 0 if choice.token_id in self._ends else left - 1
                            yield choice
                except CrashError as crash:
                    if on_trial:
                        raise _blamed(str(crash)) from None

    def close(self) -> None:
        """Stop the loop and free its memory; answers still being written fail."""
        with self._lock:
            self._closed = True
            self._stop()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._answers += 1
        try:
            yield
        finally:
            with self._lock:
                self._answers -= 1
                if self._suspicious and not self._answers:
                    self._suspicious, self._at_once = False, self.max_streams
                    self._stop()

    @contextmanager
    def _joined(self, row: Row, tokens: int, on_trial: bool, cancel: CancelToken) -> Iterator[Stream]:
        """The answer's place in the batch."""
        with self._lock:
            name = f"{next(self._numbers)}"
        stream = Stream(row, self._trial if on_trial else None, cancel)
        try:
            with self._lock:
                self._streams[name] = stream
                stream.manager = self._submit(name, row, tokens)
            yield stream
        finally:
            stream.end_trial()
            with self._lock:
                self._streams.pop(name, None)
                if stream.manager is not None and stream.manager is self._manager:
                    stream.manager.cancel_request(name)

    def _submit(self, name: str, row: Row, tokens: int) -> Any:
        """The manager that has taken the request."""
        while True:
            manager = self._running()
            if manager.add_request(row.ids, request_id=name, max_new_tokens=tokens, eos_token_id=self._ends or -1):
                return manager
            self._stop()  # it takes none any more, as it is crashing just now

    def _running(self) -> Any:
        """The manager, started when there is none that goes on."""
        if self._closed:
            raise BackendError("the model was closed")
        if self._manager is None or self._manager.output_router.crashed or not self._manager.is_running():
            self._stop()
            self._manager = self._new_manager()
            # A thread inherits this from the one that starts it: the loop must not keep the process alive.
            starter = threading.Thread(target=self._manager.start, daemon=True)
            starter.start()
            starter.join()
        return self._manager

    def _stop(self) -> None:
        """Stop the loop and free what it held."""
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.stop(hard_stop=True)
        del manager
        gc.collect()
        if self._device == "cuda":
            torch.cuda.empty_cache()

    def _new_manager(self) -> Any:
        # Tokens are chosen by what the loop did last, so it must not run ahead (async), nor be a recording (graph).
        config = ContinuousBatchingConfig(
            num_blocks=self._pages,
            max_requests_per_batch=self._at_once,
            max_batch_tokens=max(
                self._at_once, _STEP_TOKENS.get(self._device, 256) * self._at_once // self.max_streams
            ),
            max_memory_percent=0.9,
            use_async_batching=False,
            use_cuda_graph=False,
        )
        greedy: Any = GenerationConfig(do_sample=False, eos_token_id=-1)  # type: ignore[no-untyped-call]
        manager = self._model.init_continuous_batching(greedy, config)
        manager.logit_processor = Chooser(self._streams)
        manager.output_router = Router(self._streams, self._note_crash)
        return manager

    def _note_crash(self, text: str) -> None:
        """Called by the loop; takes no lock, as whoever waits for the loop's end holds it."""
        logger.warning("the loop of %d answers crashed: %s", len(self._streams), text)
        if not self._suspicious and _is_out_of_memory(text):
            self._at_once = max(1, self._at_once // 2)
        self._suspicious = True


def _blamed(text: str) -> BackendError:
    if _is_out_of_memory(text):
        return OutOfMemoryError("the answer does not fit into the device's memory")
    return BackendError("the model failed on this input; the log says why")


def _is_out_of_memory(text: str) -> bool:
    return any(words in text.lower() for words in _NO_MEMORY)


def _pages_of(tokens: int) -> int:
    """Pages that hold so many tokens; answers share none."""
    return -(-tokens // _PAGE_TOKENS)


def _bytes_per_token(model: Any) -> int:
    """Keys and values of one token in all layers."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


def _free_bytes(device: str) -> int:
    return int(torch.cuda.mem_get_info()[0] if device == "cuda" else psutil.virtual_memory().available)
