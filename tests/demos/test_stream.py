"""The bridge between the engine's threads and Gradio's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Generator

import pytest

from demos._stream import COALESCE_SECONDS, HEARTBEAT_SECONDS, View, _collect, follow
from llm_core.errors import BackendError, InputError
from llm_core.types import CancelToken, Completed, Delta, Event, Loading, RunStats, Token, Waiting

STATS = RunStats("echo", "cpu", 1.0, 2.0)


def words(count: int, pause: float = 0.0) -> Generator[Event, None, None]:
    yield Waiting(2)
    yield Loading("echo")
    for number in range(count):
        time.sleep(pause)
        yield Delta(f"{number} ", (Token(f"{number} "),))
    yield Completed("result", STATS)


async def texts(run: object) -> list[str]:
    return [view.text async for view in follow(run)]  # type: ignore[arg-type]


def test_last_view_holds_everything() -> None:
    async def last() -> View:
        return [view async for view in follow(lambda cancel: words(50))][-1]

    view = asyncio.run(last())
    assert view.text == "".join(f"{number} " for number in range(50))
    assert (view.result, view.stats, len(view.tokens), view.phase) == ("result", STATS, 50, None)


def test_bursts_are_coalesced_and_the_first_piece_is_not_held_back() -> None:
    started = time.monotonic()
    seen = asyncio.run(texts(lambda cancel: words(100, pause=0.002)))
    elapsed = time.monotonic() - started
    assert len(seen) <= elapsed / COALESCE_SECONDS + 3
    assert seen == sorted(seen, key=len)


def test_silence_is_broken_by_heartbeats() -> None:
    """Gradio notices that a client has gone only when the generator yields."""

    def silent(cancel: CancelToken) -> Generator[Event, None, None]:
        time.sleep(HEARTBEAT_SECONDS * 3.5)
        yield Completed(None, STATS)

    assert len(asyncio.run(texts(silent))) >= 4


def test_errors_of_the_request_reach_the_caller() -> None:
    def failing(cancel: CancelToken) -> Generator[Event, None, None]:
        yield Delta("a")
        raise InputError("text", "must not be empty")

    with pytest.raises(InputError, match="text: must not be empty"):
        asyncio.run(texts(failing))


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_leaving_withdraws_the_request_at_once(how: str) -> None:
    """Stop closes the generator; a dropped client cancels its task while it waits."""
    withdrawn = threading.Event()

    def endless(cancel: CancelToken) -> Generator[Event, None, None]:
        yield Delta("a")
        while not cancel.stopped:
            time.sleep(0.005)
        withdrawn.set()

    async def leave() -> float:
        views = follow(endless)
        await anext(views)
        left_at = time.monotonic()
        if how == "close":
            await views.aclose()  # type: ignore[attr-defined]
        else:
            waiting = asyncio.ensure_future(anext(views))  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
        await asyncio.to_thread(withdrawn.wait, 1.0)
        return time.monotonic() - left_at

    assert asyncio.run(leave()) < 0.3
    assert withdrawn.is_set()


def test_no_thread_outlives_its_request() -> None:
    before = threading.active_count()
    for _ in range(20):
        asyncio.run(texts(lambda cancel: words(3)))
    time.sleep(0.1)
    assert threading.active_count() <= before + 1


def test_leaving_is_noticed_also_at_the_moment_when_something_arrives() -> None:
    """`asyncio.wait_for` of Python 3.11 forgets a cancellation that comes together with what it waits for."""

    async def scene(ticks: int) -> None:
        arrivals: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        waiting = asyncio.create_task(_collect(arrivals, 0.0))
        for _ in range(5):
            await asyncio.sleep(0)
        arrivals.put_nowait(Delta("a"))
        for _ in range(ticks):
            await asyncio.sleep(0)
        if waiting.cancel():
            with pytest.raises(asyncio.CancelledError):
                await waiting

    for ticks in range(6):
        asyncio.run(scene(ticks))


def test_what_came_just_before_a_failure_is_shown() -> None:
    def run(cancel: CancelToken) -> Generator[Event, None, None]:
        yield Delta("half an ")
        raise BackendError("broke off")

    async def scene() -> list[str]:
        seen = []
        with pytest.raises(BackendError):
            async for view in follow(run):
                seen.append(view.text)
        return seen

    assert asyncio.run(scene())[-1] == "half an "
