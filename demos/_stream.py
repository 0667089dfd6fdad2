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
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from demos._visitor import of_visitor
from llm_core.types import CancelToken, Completed, Delta, Event, Loading, Partial, Progress, RunStats, Token, Waiting

COALESCE_SECONDS = 0.04
"""Shortest time between two views: 25 a second look fluent, and 160 tokens a second are not slowed by messages."""
COALESCE_EACH_SECONDS = 0.12
"""The same where several requests are shown at once: a browser on a busy machine draws no more in time."""
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
    error: Exception | None = None
    """What ended it before it was complete; see `follow_each`."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.stats is not None or self.error is not None

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
        target=of_visitor().run,
        args=(_pump, run, cancel, arrivals, asyncio.get_running_loop()),
        name="request",
        daemon=True,
    )
    view, not_before = View(), 0.0
    try:
        pump.start()
        while view.stats is None:
            arrived = await _collect(arrivals, not_before)
            not_before = time.monotonic() + COALESCE_SECONDS
            events = [arrival for arrival in arrived if not isinstance(arrival, BaseException)]
            for event in events:
                view.take(event)
            view.changed = bool(events)
            failure = next((arrival for arrival in arrived if isinstance(arrival, BaseException)), None)
            if failure is None or events:  # what came before a failure is shown
                yield view
            if failure is not None:
                raise failure
    finally:
        cancel.cancel()


async def follow_each(runs: Sequence[Run], cancel: CancelToken) -> AsyncGenerator[list[View], None]:
    """Follow several requests at once; yield the views of all, in order, until each has ended.

    What one of them raises is in its view and ends none of the others. Withdrawing `cancel`, or closing the generator,
    withdraws them all.
    """
    views, news = [View() for _ in runs], asyncio.Event()

    async def keep(place: int, run: Run) -> None:
        try:
            async with contextlib.aclosing(follow(run, cancel.child())) as seen:
                async for view in seen:
                    views[place] = view
                    news.set()
        except Exception as error:
            views[place].error = error
        news.set()

    tasks = [asyncio.create_task(keep(place, run)) for place, run in enumerate(runs)]
    try:
        while True:
            await news.wait()
            news.clear()
            ended = all(view.ended for view in views)
            yield views
            if ended:
                return
            await asyncio.sleep(COALESCE_EACH_SECONDS)
    finally:
        cancel.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
