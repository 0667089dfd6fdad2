"""The one bridge between Gradio and the engine: a running request as an async stream of what has arrived so far.

The engine's synchronous iterator runs in its own thread; everything that waits is on the asyncio side, so that Stop, a
closed page or a dropped client ends the request at once, whatever the model is doing. The module knows no task and no
component.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

from llm_core.types import CancelToken, Completed, Delta, Event, Loading, Partial, Progress, RunStats, Token, Waiting

COALESCE_SECONDS = 0.04
"""Shortest time between two views: 25 a second look fluent, and 160 tokens a second are not slowed by messages."""
HEARTBEAT_SECONDS = 0.25
"""Longest time without a view: Gradio notices that a client has gone only when a generator yields."""


class Run(Protocol):
    """Starts a request that `cancel` withdraws."""

    def __call__(self, *, cancel: CancelToken) -> Generator[Event, None, None]: ...


Arrivals = asyncio.Queue[Event | BaseException]


@dataclass(slots=True)
class View:
    """What has arrived of one request so far."""

    phase: Waiting | Loading | Progress | None = None
    """What the request is busy with; ``None`` while the model answers."""
    texts: dict[int, str] = field(default_factory=dict)
    """Streamed text by number of the parallel answer."""
    tokens: list[Token] = field(default_factory=list)
    """Streamed tokens of the first answer."""
    result: Any = None
    """The task's result, once complete; before that what there is of it, if that can be shown."""
    stats: RunStats | None = None
    changed: bool = True
    """Whether anything has arrived since the view before."""
    shown: int = 0
    """How often its text or result has been shown."""

    @property
    def text(self) -> str:
        """Text of the first answer."""
        return self.texts.get(0, "")

    def take(self, event: Event) -> None:
        """Account for one event."""
        if isinstance(event, Delta):
            self.phase = None
            self.texts[event.stream] = self.texts.get(event.stream, "") + event.text
            if event.stream == 0:
                self.tokens.extend(event.tokens)
        elif isinstance(event, Completed):
            self.phase, self.result, self.stats = None, event.result, event.stats
        elif isinstance(event, Partial):
            self.phase, self.result = event, event.result
        else:
            self.phase = event


async def follow(run: Run, cancel: CancelToken | None = None) -> AsyncGenerator[View, None]:
    """Yield the (same, growing) view of a request, at least every `HEARTBEAT_SECONDS`, until it is complete.

    Args:
        run: Starts the request; called in another thread, with the token that withdraws it.
        cancel: That token, for callers who withdraw requests otherwise than by closing the generator.

    Raises:
        LlmCoreError: What the request raised.
    """
    cancel = cancel or CancelToken()
    arrivals: Arrivals = asyncio.Queue()
    pump = threading.Thread(
        target=_pump, args=(run, cancel, arrivals, asyncio.get_running_loop()), name="request", daemon=True
    )
    view, not_before = View(), 0.0
    try:
        pump.start()
        while view.stats is None:
            arrived = await _collect(arrivals, not_before)
            not_before = time.monotonic() + COALESCE_SECONDS
            for arrival in arrived:
                if isinstance(arrival, BaseException):
                    raise arrival
                view.take(arrival)
            view.changed = bool(arrived)
            yield view
    finally:
        cancel.cancel()


async def _collect(arrivals: Arrivals, not_before: float) -> list[Event | BaseException]:
    """What has arrived by `not_before`, or first after it; less when the request ends, nothing after a heartbeat."""
    collected: list[Event | BaseException] = []
    heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS
    while not (collected and isinstance(collected[-1], Completed | BaseException)):
        remaining = (not_before if collected else heartbeat_at) - time.monotonic()
        try:
            if remaining > 0:
                # Not `wait_for`: in Python 3.11 it forgets a cancellation that comes together with an arrival.
                async with asyncio.timeout(remaining):
                    collected.append(await arrivals.get())
            else:
                collected.append(arrivals.get_nowait())
        except (TimeoutError, asyncio.QueueEmpty):
            break
    return collected


def _pump(run: Run, cancel: CancelToken, arrivals: Arrivals, loop: asyncio.AbstractEventLoop) -> None:
    def hand_over(arrival: Event | BaseException) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            loop.call_soon_threadsafe(arrivals.put_nowait, arrival)

    try:
        with contextlib.closing(run(cancel=cancel)) as events:
            for event in events:
                hand_over(event)
    except BaseException as error:
        hand_over(error)
