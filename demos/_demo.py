"""What a tab is, what it may use, and how tabs are found.

A tab is a module of this package that defines ``DEMO``. It builds its components and says which endpoint it has;
running requests, showing errors and stopping are the same for all and live in `_workbench` and `_handler`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gradio as gr
from gradio.blocks import Block
from gradio.i18n import I18nData

import demos
from demos import _i18n
from demos._handler import Handler, Wiring, make_handler
from llm_core.catalog import Catalog
from llm_core.engine import Engine
from llm_core.errors import UnknownModelError
from llm_core.feedback import FeedbackDataset, FeedbackFile, open_feedback
from llm_core.session import Task
from llm_core.settings import Settings
from llm_core.speed import Speedometer
from llm_core.tasks.train.run import OWN_PREFIX, OWN_TITLE, Trainings


class LoadUpdate(NamedTuple):
    """What is brought up to date whenever a visitor opens the page."""

    outputs: tuple[Block, ...]
    values: Callable[..., tuple[Any, ...]]
    """Gives their new values."""
    inputs: tuple[Block, ...] = ()
    """Fields whose values it takes: what they hold once the page has filled them again, which may not be on offer."""


@dataclass(frozen=True)
class DemoContext:
    """What tabs are built with."""

    engine: Engine
    speeds: Speedometer | None = None
    """How fast the models are here, where that is measured."""
    on_load: list[LoadUpdate] = field(default_factory=list)
    """What to bring up to date whenever a visitor opens the page; tabs add to it while they are built."""

    restorable: list[tuple[str, tuple[Block, ...]]] = field(default_factory=list)
    """Frames that a link may fill, and whose fields outlive a reload: name, and the components in the values' order."""

    history: Block | None = None
    """Where finished runs are sent, for the visitor's browser to keep; see `_history`."""

    @property
    def catalog(self) -> Catalog:
        """What models exist."""
        return self.engine.catalog

    @property
    def settings(self) -> Settings:
        """What the operator has set."""
        return self.engine.settings

    @functools.cached_property
    def trainings(self) -> Trainings:
        """What visitors train."""
        return Trainings(self.engine)

    @functools.cached_property
    def feedback(self) -> FeedbackFile | FeedbackDataset | None:
        """Where the owner keeps visitors' votes; ``None``: nobody is asked."""
        return open_feedback(self.settings)

    def t(self, key: str) -> I18nData:
        """The visible string `key`."""
        return _i18n.t(key)

    def stream(self, wiring: Wiring, outputs: Collection[Block]) -> Handler:
        """The event handler that runs a tab's requests: the only one there is; see `make_handler`."""
        return make_handler(self, wiring, outputs)

    def title_of(self, model_id: str) -> str:
        """What a model is called, in English; `_model_words.titled` has it in the visitor's language."""
        try:
            return self.catalog[model_id].title
        except UnknownModelError:
            return OWN_TITLE if model_id.startswith(OWN_PREFIX) else model_id


@dataclass(frozen=True)
class Demo:
    """One tab."""

    slug: str
    """Name of the tab's module, of its endpoint and of its table in the string files."""
    order: int
    """Place among the tabs."""
    icon: str
    """One character before the title."""
    task: Task[Any, Any] | None
    """What the tab shows; ``None``: a page about the models, which runs none."""
    build: Callable[[DemoContext], None]
    """Creates the tab's components and events inside the current Gradio context."""
    endpoint: Callable[[DemoContext], Callable[..., Any]] | None
    """Makes the public function of the same name, see `_api`; ``None``: there is nothing to ask it for."""
    within: str = ""
    """Slug of the tab that shows it as one of its views; empty: it has a tab of its own."""

    def show(self, ctx: DemoContext, title: str | I18nData) -> None:
        """Adds it to the `gr.Tabs` that are being built."""
        with gr.Tab(title, id=self.slug, elem_id=f"tab-{self.slug}"):
            gr.Markdown(f"## {ctx.t(f'{self.slug}.title')}", elem_classes=["heard"])
            gr.Markdown(ctx.t(f"{self.slug}.lead"), elem_classes=["lead"])
            self.build(ctx)


def discover() -> tuple[Demo, ...]:
    """All tabs, in order.

    Raises:
        ValueError: Two tabs share a place, or a module defines no ``DEMO`` of its own name.
    """
    found = [_load(module.name) for module in pkgutil.iter_modules(demos.__path__) if not module.name.startswith("_")]
    orders = [demo.order for demo in found]
    if len(set(orders)) != len(orders):
        raise ValueError(f"demos: orders must be unique, got {sorted(orders)}")
    return tuple(sorted(found, key=lambda demo: demo.order))


def _load(name: str) -> Demo:
    demo = getattr(importlib.import_module(f"demos.{name}"), "DEMO", None)
    if not isinstance(demo, Demo) or demo.slug != name:
        raise ValueError(f"demos/{name}.py must define DEMO = Demo(slug={name!r}, …)")
    return demo
