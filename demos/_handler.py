"""The only way a tab runs a request: an async generator that parses, follows, shows and always cleans up."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.blocks import Block

from demos._history import describe_run
from demos._messages import explain
from demos._status import READY, describe_phase, describe_stats, told
from demos._stream import View, follow
from demos._usage import Place, describe_usage, link
from llm_core.errors import CancelledError
from llm_core.types import CancelToken, Event

if TYPE_CHECKING:
    from demos._demo import DemoContext
    from demos._feedback import FeedbackPanel

Updates = Mapping[Block, Any]
Handler = Callable[..., AsyncGenerator[Updates, None]]
Steps = Callable[["DemoContext", "Wiring", str, CancelToken, tuple[Any, ...]], AsyncGenerator[Updates, None]]
"""What a run does between its start and its end: gets the client, what withdraws it, and the components' values, model
first."""
STOP_SECONDS = 2.0
"""Longest time Stop waits for the run to end; it ends by itself later, if the machine is that busy."""


@dataclass(slots=True)
class Running:
    """What is running in a tab for one browser session."""

    cancel: CancelToken = field(default_factory=CancelToken)
    left: Callable[[], Updates] | None = None
    """Tells what it shows last, whatever it has shown before, if what ends it wants that."""


@dataclass(frozen=True)
class Wiring:
    """What differs between tabs, and the components that all have."""

    task: Any
    """A `Task`, or what `serve` runs in place of one."""
    to_request: Callable[..., Mapping[str, Any]]
    """Maps the values of the input components to the fields of the task's request."""
    render: Callable[..., Updates]
    """Maps a view, and the values of the input components, to updates of the output components."""
    message: Block
    """Where errors appear."""
    status: Block
    """The status line, as `status_view` makes it."""
    stop: Block
    usage: Block | None
    """Where it is shown how to ask for the same from elsewhere, if it is."""
    place: Place | None
    """The frame that these components are in; ``None`` where a link cannot hold their values."""
    feedback: FeedbackPanel | None = None
    """Where visitors vote on the answer, if they may."""
    runs: dict[str, Running] = field(default_factory=dict)
    """By browser session: one run a session and tab."""
    serve: Callable[..., Generator[Event, None, None]] | None = None
    """What runs the request; by default `Engine.run`, whose arguments it takes."""
    steps: Steps | None = None
    """For what is more than one request; it then parses and shows by itself."""


def client_of(request: gr.Request | None) -> str:
    """Whose request it is, for fairness: the browser session, or the address of clients that have none."""
    if request is None:
        return "local"
    return str(request.session_hash or getattr(request.client, "host", "local"))


def make_handler(ctx: DemoContext, wiring: Wiring, outputs: Collection[Block]) -> Handler:
    """The event handler of a tab's Run button; its first value is the chosen model, the others are the tab's.

    A session's earlier run ends first; see `Workbench.connect` on which events may come in the middle of one.

    Args:
        ctx: What tabs share.
        wiring: See there.
        outputs: The components that the event may update.
    """
    end_earlier = make_stopper(wiring)

    async def handle(request: gr.Request, model_id: str, *values: Any) -> AsyncGenerator[Updates, None]:
        session, run = client_of(request), Running()
        await end_earlier(request)
        wiring.runs[session] = run
        steps = (wiring.steps or _one_request)(ctx, wiring, session, run.cancel, (model_id, *values))
        try:
            async with contextlib.aclosing(_to_the_end(wiring, steps)) as updates:
                async for update in updates:
                    yield update
            if run.left is not None:
                yield {part: value for part, value in run.left().items() if part in outputs}
        finally:
            if wiring.runs.get(session) is run:
                del wiring.runs[session]

    return handle


async def _to_the_end(wiring: Wiring, steps: AsyncGenerator[Updates, None]) -> AsyncGenerator[Updates, None]:
    """A run's updates, the last of which says how it ended."""
    try:
        async with contextlib.aclosing(steps) as updates:
            async for update in updates:
                yield update
    except CancelledError:
        yield _stopped(wiring)
    except Exception as error:
        yield _failed(wiring, error)


async def _one_request(
    ctx: DemoContext, wiring: Wiring, session: str, cancel: CancelToken, given: tuple[Any, ...]
) -> AsyncGenerator[Updates, None]:
    model_id, *rest = given
    values = tuple(rest)
    # Reading a file takes a while, here and at the end: other visitors' events must not wait for it.
    fields, parsed = await asyncio.to_thread(_request, wiring, values)
    address = link(wiring.place, given) if wiring.place else ""
    shown: dict[Block, Any] = started(wiring)
    if wiring.usage is not None:
        shown[wiring.usage] = describe_usage(ctx, wiring.task, fields, model_id, address)
    yield shown
    serve = wiring.serve or ctx.engine.run
    run = functools.partial(serve, wiring.task, parsed, model_id=model_id, client=session)
    async with contextlib.aclosing(follow(run, cancel)) as views:
        async for view in views:
            if view.stats is None:
                yield _shown(ctx, wiring, view, values)
            else:
                last = await asyncio.to_thread(_shown, ctx, wiring, view, values)
                judged = wiring.feedback.asked(wiring.task, fields, view) if wiring.feedback else {}
                yield {**last, **_remembered(ctx, wiring, fields, address, view), **judged}


def _remembered(
    ctx: DemoContext, wiring: Wiring, fields: Mapping[str, Any], address: str, view: View
) -> dict[Block, Any]:
    """What the visitor's browser keeps of a finished run."""
    if ctx.history is None or wiring.place is None or view.stats is None:
        return {}
    title = ctx.title_of(view.stats.model_id)
    record = view.result.record()
    return {ctx.history: describe_run(wiring.place, wiring.task, fields, address, title, view.stats, record)}


def _request(wiring: Wiring, values: tuple[Any, ...]) -> tuple[Mapping[str, Any], Any]:
    fields = wiring.to_request(*values)
    return fields, wiring.task.request_type.parse(fields)


def make_stopper(wiring: Wiring) -> Callable[[gr.Request], Awaitable[None]]:
    """The event handler of Stop: ends the session's run and returns once it has said so itself.

    Gradio's own `cancels` would race with the last updates of the run, which could then overwrite "stopped".
    """

    async def stop(request: gr.Request) -> None:
        await _end_run(wiring, client_of(request))

    return stop


def make_clearer(wiring: Wiring, left: Callable[[], Updates]) -> Callable[[gr.Request], Awaitable[Updates]]:
    """The event handler of Clear: as Stop, and shows what is left.

    Args:
        wiring: Of the run.
        left: Tells what Clear leaves. The run shows it last, too: Gradio repeats a run's last values some time after it
            has ended, over what others have shown by then.
    """

    async def clear_all(request: gr.Request) -> Updates:
        await _end_run(wiring, client_of(request), left)
        return left()

    return clear_all


async def _end_run(wiring: Wiring, session: str, left: Callable[[], Updates] | None = None) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    if (run := wiring.runs.get(session)) is not None:
        run.left = left
        run.cancel.cancel()
    while session in wiring.runs and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


def _stopped(wiring: Wiring) -> dict[Block, Any]:
    """What Stop leaves: the partial answer, and a page ready for the next request."""
    return {wiring.status: told("status.stopped"), wiring.stop: gr.update(interactive=False)}


def cleared(wiring: Wiring) -> dict[Block, Any]:
    """What Clear leaves of the parts that all tabs have."""
    emptied: dict[Block, Any] = {wiring.message: "", wiring.stop: gr.update(interactive=False)}
    if wiring.usage is not None:
        emptied[wiring.usage] = ""
    if wiring.feedback is not None:
        emptied |= wiring.feedback.emptied()
    return {wiring.status: READY, **emptied}


def started(wiring: Wiring) -> dict[Block, Any]:
    """What a run shows first: that it goes on, and no message of an earlier one."""
    emptied = wiring.feedback.emptied() if wiring.feedback else {}
    running = {wiring.status: told("status.running"), wiring.message: "", wiring.stop: gr.update(interactive=True)}
    return {**emptied, **running}


def _failed(wiring: Wiring, error: Exception) -> dict[Block, Any]:
    return {
        wiring.status: READY,
        wiring.message: explain(error),
        wiring.stop: gr.update(interactive=False),
    }


def _shown(ctx: DemoContext, wiring: Wiring, view: View, values: tuple[Any, ...]) -> Updates:
    if not view.changed:
        return {wiring.stop: gr.update()}
    updates: dict[Block, Any] = {}
    if view.texts or view.result is not None:
        updates |= wiring.render(view, *values)
        view.shown += 1
    if view.stats is None:
        return {**updates, wiring.status: describe_phase(view)}
    missed = view.stats.instead_of and ctx.title_of(view.stats.instead_of)
    done = describe_stats(ctx.title_of(view.stats.model_id), view.stats, missed or "")
    return {wiring.status: done, **updates, wiring.stop: gr.update(interactive=False)}
