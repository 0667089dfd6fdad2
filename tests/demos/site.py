"""What tests of the served page are given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import gradio as gr

from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Site:
    """A page that is being served."""

    address: str
    page: gr.Blocks
    engine: Engine
    backend: EchoBackend


def inside_a_loop(make: Callable[[], ValueT]) -> ValueT:
    """Call Gradio where an event loop runs: elsewhere it makes loops of its own and never closes them."""

    async def call() -> ValueT:
        return make()

    return asyncio.run(call())
