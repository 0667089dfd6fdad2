"""Values that travel between layers: cancellation, events of a running request, generation settings.

Everything here is frozen, except `CancelToken`, which only ever moves from running to stopped.
The module knows nothing of models, tasks or pages.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_core.errors import CancelledError, DeadlineExceededError

_LOOK_SECONDS = 0.02
"""How soon a pause notices that it is withdrawn."""


class CancelToken:
    """Tells long work to stop, because its caller left or its time ran out.

    Args:
        allowed_seconds: Time the work may take from now; ``None`` means no deadline.
        whole: The token of the work that this is a part of; what withdraws the whole withdraws the part.
    """

    def __init__(self, allowed_seconds: float | None = None, whole: CancelToken | None = None) -> None:
        self._event = threading.Event()
        self._whole = whole
        self._allowed_seconds = 0.0
        self._deadline: float | None = None
        if allowed_seconds is not None:
            self.allow(allowed_seconds)

    def allow(self, seconds: float) -> None:
        """Give the work `seconds` from now, in place of any earlier allowance."""
        self._allowed_seconds = seconds
        self._deadline = time.monotonic() + seconds

    def cancel(self) -> None:
        """Withdraw the request; safe to call from any thread, any number of times."""
        self._event.set()

    def child(self) -> CancelToken:
        """A token with a deadline of its own that is withdrawn with this one, but not the other way round."""
        return CancelToken(whole=self)

    @property
    def cancelled(self) -> bool:
        """Whether the caller withdrew the request."""
        return self._event.is_set() or (self._whole is not None and self._whole.cancelled)

    @property
    def stopped(self) -> bool:
        """Whether work should stop, for either reason. Cheap enough to ask once a token."""
        return self.cancelled or (self._deadline is not None and time.monotonic() >= self._deadline)

    def check(self) -> None:
        """Raise if the work should stop.

        Raises:
            CancelledError: The caller withdrew the request.
            DeadlineExceededError: The allowed time ran out.
        """
        if self.cancelled:
            raise CancelledError
        if self.stopped:
            raise DeadlineExceededError(self._allowed_seconds)

    def pause(self, seconds: float) -> None:
        """Do nothing for so long, unless the work is to stop meanwhile.

        Raises:
            CancelledError, DeadlineExceededError: See `check`.
        """
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
            self.check()


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Verified files of one catalogue entry on this machine."""

    directory: Path
    base: ModelFiles | None = None
    """Files of the entry this one adapts, for adapters."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a decoder chooses its next token. Ranges are checked by the request types of the tasks."""

    max_new_tokens: int = 256
    temperature: float = 0.7
    """0 means greedy decoding."""
    top_p: float = 0.95
    top_k: int = 40
    """0 means no limit."""
    repeat_penalty: float = 1.1
    """1 means none (Keskar et al. 2019, arXiv:1909.05858)."""
    seed: int | None = None
    """``None`` draws a new one for each request."""
    stop: tuple[str, ...] = ()
    """Strings that end the generation; not part of its text."""
    top_alternatives: int = 0
    """How many alternatives, with probabilities, to report for each token; 0 reports no probabilities."""
    json_schema: str | None = None
    """Only what fits this schema, which is JSON itself, may be written; for decoders run by llama.cpp."""
    grammar: str | None = None
    """Or only what this grammar allows, in llama.cpp's GBNF."""


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token, or what a server sent at once."""

    text: str
    probability: float | None = None
    """Probability the model gave it, in 0..1, before sampling filters; ``None`` when not asked for."""
    alternatives: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens at this place with their probabilities, best first."""
    count: int = 1
    """How many of the model's tokens it stands for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request waits for a device."""

    ahead: int
    """Requests that come first."""


@dataclass(frozen=True, slots=True)
class Loading:
    """A model's weights are being fetched or loaded, or it waits for a GPU that is lent."""

    model_id: str
    lent: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Part of the work is done."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Partial(Progress):
    """Part of the work is done, and can be shown already."""

    result: Any
    """What the result would be if the work ended now."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A further piece of the answer."""

    text: str
    tokens: tuple[Token, ...] = ()
    """The tokens of this piece, when the model counts in tokens."""
    stream: int = 0
    """Which of several parallel answers it belongs to."""


@dataclass(frozen=True, slots=True)
class RunStats:
    """What one request cost."""

    model_id: str
    device: str
    first_token_ms: float
    """From the moment the device was free for this request to its first delta (or its result)."""
    total_ms: float
    """From the moment the device was free for this request to its result."""
    waited_ms: float = 0.0
    """Time in the queue and loading weights, not part of `total_ms`."""
    tokens: int = 0
    """Generated tokens; 0 for models that generate none."""
    instead_of: str = ""
    """Id of the remote model that was to answer, and did not."""

    @property
    def tokens_per_second(self) -> float | None:
        """Decoding speed after the first token; ``None`` for models that generate none."""
        decoding_ms = self.total_ms - self.first_token_ms
        if self.tokens < 2 or decoding_ms <= 0:
            return None
        return (self.tokens - 1) / decoding_ms * 1000


@dataclass(frozen=True, slots=True)
class Completed:
    """The last event of a request."""

    result: Any
    """The task's frozen result."""
    stats: RunStats


Event = Waiting | Loading | Progress | Delta | Completed
