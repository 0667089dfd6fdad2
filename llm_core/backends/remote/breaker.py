"""A circuit breaker (Nygard, *Release It!*, 2007): a server that keeps failing is left alone, then tried once.

Closed: calls pass. After `FAILURES` failures in a row it opens: no call passes. After `seconds` it is half open: one
call passes as a trial; success closes it, failure opens it again for twice as long. Not safe for threads by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

FAILURES = 3
FIRST_SECONDS, LONGEST_SECONDS = 5.0, 60.0

State = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """See the module.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._seconds = FIRST_SECONDS
        self._opened_at: float | None = None
        self._on_trial = False

    @property
    def state(self) -> State:
        """As of now."""
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._clock() - self._opened_at >= self._seconds else "open"

    @property
    def passes(self) -> bool:
        """Whether a call may begin."""
        return self.state == "closed" or (self.state == "half_open" and not self._on_trial)

    def begin(self) -> None:
        """A call begins; in the half-open state it is the trial."""
        self._on_trial = self.state == "half_open"

    def succeed(self) -> None:
        """It went well."""
        self._failures, self._opened_at, self._on_trial, self._seconds = 0, None, False, FIRST_SECONDS

    def abandon(self) -> None:
        """It ended without telling anything about the server."""
        self._on_trial = False

    def fail(self) -> None:
        """It failed."""
        self._failures += 1
        if self._on_trial:
            self._seconds = min(2 * self._seconds, LONGEST_SECONDS)
        if self._on_trial or self._failures >= FAILURES:
            self._opened_at = self._clock()
        self._on_trial = False
