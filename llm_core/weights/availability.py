"""Whether a model can be had here, answered fast.

No file is hashed, and the network is asked at most once a minute, never for more than two seconds. The module knows
how to ask; what the answer means for a model is `store`'s business.
"""

from __future__ import annotations

import importlib.util
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

PROBE_SECONDS = 2.0
PROBE_LIFETIME_SECONDS = 60.0

PACKAGES = {
    "echo": (),
    "transformers": ("torch", "transformers"),
    "llama_cpp": ("xllamacpp",),
    "ctranslate2": ("ctranslate2", "transformers"),
    "own": ("torch", "sentencepiece"),
    "remote": ("httpx2",),
}
"""Import names that each backend needs."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a catalogue entry can be had."""

    available: bool
    reason: str = ""
    """Why not, or what has to happen first, such as ``"will be downloaded, 90 MB"``; empty when all is there."""
    remedy: str = ""
    """What would enable it."""
    present: bool = False
    """Whether nothing need be downloaded."""


class Probe:
    """A yes-or-no question to the network, asked in a thread of its own and remembered.

    Only the first answer is waited for: an old one is given at once, while a new one is on its way.

    Args:
        ask: Answers it; may take its time.
        lifetime: Seconds after which an answer is old.
    """

    def __init__(self, ask: Callable[[], bool], lifetime: float = PROBE_LIFETIME_SECONDS) -> None:
        self._ask = ask
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._answer = False
        self._running = False
        self._asked_at = -math.inf

    def start(self) -> None:
        """Ask, unless an answer is still young or on its way."""
        with self._lock:
            if self._running or time.monotonic() - self._asked_at < self._lifetime:
                return
            self._asked_at = time.monotonic()
            self._running = True
            threading.Thread(target=self._run, name="reachability", daemon=True).start()

    def answer(self, seconds: float) -> bool | None:
        """The answer, or ``None`` if there is none after `seconds`."""
        self.start()
        return self._answer if self._done.wait(seconds) else None

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except Exception:  # an unforeseen failure of the question is a "no", never a dead thread with no answer
            self._answer = False
        finally:
            self._running = False
            self._done.set()


def missing_packages(backend: str) -> tuple[str, ...]:
    """Packages that `backend` needs and this Python does not have."""
    return tuple(name for name in PACKAGES.get(backend, ()) if importlib.util.find_spec(name) is None)


def size_in_words(size: int) -> str:
    """Bytes for people: ``90 MB``, ``1.1 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
