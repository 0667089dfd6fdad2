"""Public endpoints: one function a tab, the same for `gradio_client`, plain HTTP and MCP.

Each returns the record of the command line (`python -m llm_core run`). The functions are async generators, so that a
client that leaves ends its request; the last value is the answer, earlier ones are what has been written so far.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import gradio as gr

from demos._demo import DemoContext
from demos._handler import client_of
from demos._stream import View, follow
from llm_core.errors import LlmCoreError
from llm_core.selection import AUTO
from llm_core.session import Task
from llm_core.tasks.base import Request

Record = dict[str, Any]
FURTHER = ("explain",)
"""Endpoints of no tab: of the modules of these names with an underscore before."""


class _Choice(Request):
    model: str = AUTO


def chosen_model(model: object) -> str:
    """Catalogue id, or ``"auto"``, of what a client gave.

    Raises:
        InputError: It is no text.
    """
    return _Choice.parse(given(model=model)).model


def given(**fields: Any) -> dict[str, Any]:
    """The fields that a client did not leave out, which is what ``None`` means."""
    return {name: value for name, value in fields.items() if value is not None}


async def serve(
    ctx: DemoContext, task: Task[Any, Any], fields: Mapping[str, Any], model: object, request: gr.Request | None
) -> AsyncGenerator[Record, None]:
    """Run one request of an endpoint.

    Args:
        ctx: What the page is built with.
        task: What to do.
        fields: The request; see `given`.
        model: See `chosen_model`.
        request: Who asks.

    Yields:
        ``{"text": …}`` while the model writes, at last the task's record with ``model`` and ``seconds``.

    Raises:
        gr.Error: With a message for the caller.
    """
    try:
        parsed = task.request_type.parse(given(**fields))
        model_id = chosen_model(model)
        run = functools.partial(ctx.engine.run, task, parsed, model_id=model_id, client=client_of(request))
        async with contextlib.aclosing(follow(run)) as views:
            async for view in views:
                yield _record(view)
    except LlmCoreError as error:
        raise gr.Error(str(error), print_exception=False) from error


def publish(ctx: DemoContext, name: str) -> None:
    """Add an endpoint to the page that is being built."""
    gr.api(  # type: ignore[attr-defined]
        endpoint(ctx, name), api_name=name, concurrency_limit=None
    )


def endpoint(ctx: DemoContext, name: str) -> Callable[..., Any]:
    """The public function `name`: a tab's, or one of `FURTHER`."""
    module = importlib.import_module(f"demos._{name}" if name in FURTHER else f"demos.{name}")
    function: Callable[..., Any] = module.endpoint(ctx)
    function.__doc__ = _unwrapped(inspect.getdoc(function) or "")
    return function


def _unwrapped(doc: str) -> str:
    """A docstring with each parameter, and what is returned, on a line of its own: Gradio reads it line by line."""
    told, heading, returned = doc.partition("\nReturns:\n")
    return re.sub(r"\n {8,}", " ", told) + heading + textwrap.indent(" ".join(returned.split()), "    ")


def _record(view: View) -> Record:
    if view.stats is None:
        return {"text": view.text}
    seconds = round(view.stats.total_ms / 1000, 4)
    missed = {"instead_of": view.stats.instead_of} if view.stats.instead_of else {}
    return {**view.result.record(), "model": view.stats.model_id, "seconds": seconds, **missed}
