"""Answers on their way between transformers' loop of continuous batching, which is a thread, and those who read them.

The loop asks `Chooser` for the next token of everybody who is in its step, and tells `Router` whom it gives up.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, tensor, zeros_like
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessorList
from transformers.generation.continuous_batching.continuous_api import OutputRouter
from transformers.generation.logits_process import LogitsProcessorList

from llm_core.backends.transformers.token_choice import Choice, Row, choose
from llm_core.types import CancelToken

_POLL_SECONDS = 0.05


class CrashError(Exception):
    """The loop ended while an answer was being written."""


class Stream:
    """One answer's tokens on their way from the loop to their reader.

    Args:
        row: The answer so far.
        trial: To be held until the first token has come; ``None`` if this is no trial.
        cancel: Withdraws it while the trial of another is awaited.
    """

    def __init__(self, row: Row, trial: threading.Lock | None, cancel: CancelToken) -> None:
        self.row = row
        self.manager: Any = None
        self.events: queue.SimpleQueue[Choice | CrashError] = queue.SimpleQueue()
        self._trial = trial
        while trial is not None and not trial.acquire(timeout=_POLL_SECONDS):
            cancel.check()

    def next(self, cancel: CancelToken) -> Choice:
        """The next token.

        Raises:
            CrashError: There is none, because the loop has ended.
        """
        while True:
            cancel.check()
            ended = not self.manager.is_running()
            try:
                event = self.events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if ended:
                    raise CrashError("the loop has ended") from None
                continue
            if isinstance(event, CrashError):
                raise event
            self.end_trial()
            return event

    def end_trial(self) -> None:
        """Let the next one have its trial."""
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.release()


class Chooser(ContinuousBatchingLogitsProcessorList):
    """Chooses in the loop's stead: it takes the greatest score, and only the chosen token keeps one."""

    def __init__(self, streams: Mapping[str, Stream]) -> None:
        super().__init__(LogitsProcessorList())
        self.do_processing = True
        self._streams = streams
        self._present: list[Stream | None] = []

    def prepare_tensor_args(self, requests_in_batch: list[Any], arg_storage: Tensor) -> Tensor:
        """Told who is in the next step."""
        asked = [request.state.request_id for request in requests_in_batch if request.has_new_token]
        self._present = [self._streams.get(name) for name in asked]
        return arg_storage

    def __call__(self, input_ids: Any, scores: Tensor, logits_processor_args: Tensor) -> Tensor:
        """Scores (B, V) of the step's answers; those that left meanwhile get any token."""
        places = [place for place, stream in enumerate(self._present) if stream is not None]
        streams = [stream for stream in self._present if stream is not None]
        if not streams:
            return scores
        choices = choose(scores[places], [stream.row for stream in streams])
        chosen = tensor([choice.token_id for choice in choices], device=scores.device)
        kept = zeros_like(scores)
        kept[places, chosen] = 1.0
        for stream, choice in zip(streams, choices, strict=True):
            stream.events.put(choice)
        return kept


class Router(OutputRouter):
    """Hears of answers that the loop gives up, which it does with all of them when it crashes; tokens do not come this
    way."""

    def __init__(self, streams: Mapping[str, Stream], on_crash: Callable[[str], None]) -> None:
        super().__init__()
        self.crashed = False
        self._streams, self._on_crash = streams, on_crash

    def deliver(self, output: Any) -> None:
        """An answer that ended, or was given up."""
        if output.error is None:
            return
        if not self.crashed:
            self.crashed = True
            self._on_crash(output.error)
        if (stream := self._streams.get(output.request_id)) is not None:
            stream.events.put(CrashError(output.error))

    def deliver_batch(self, outputs: list[Any]) -> None:
        """Several."""
        for output in outputs:
            self.deliver(output)
