"""The models: how well each did at what, how fast it is here, what it costs, and its card."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from demos._api import Record
from demos._board import board_view, boards_of, describe_boards
from demos._card import card_text, card_view, describe_card
from demos._demo import Demo, DemoContext, LoadUpdate
from demos._models import menu_choices, unavailable
from demos._workbench import PRIVATE
from llm_core.catalog import ModelSpec
from llm_core.errors import LlmCoreError

REFRESH_SECONDS = 3.0
"""How often the page asks for speeds, while some are still being measured."""
CHOSEN = "() => document.querySelector('#models-board .board-root').dataset.chosen"
"""The model that was clicked on the board."""


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    specs = list(ctx.catalog.values())
    with gr.Column(elem_id=DEMO.slug):
        board = board_view("models-board")
        menu = gr.Dropdown(
            menu_choices(specs)[1:], value=specs[0].id, label=ctx.t("models.card"), elem_id="models-chosen"
        )
        card = card_view("models-card")
        with gr.Accordion(ctx.t("models.whole_card"), open=False, elem_id="models-text") as whole:
            text = gr.Markdown("", elem_classes=["card-text"])
    refresh, known = gr.Timer(REFRESH_SECONDS), gr.State(frozenset())

    def chosen(model_id: str) -> tuple[Any, ...]:
        spec = ctx.catalog[model_id]
        written = card_text(ctx, spec)
        return describe_card(ctx, spec), gr.update(visible=bool(written)), written

    def opened() -> tuple[Any, ...]:
        boards = boards_of(ctx)
        first = next(iter(boards.values()))[0].placings[0].spec.id
        choices = menu_choices(specs, unavailable(ctx, specs))[1:]
        return describe_boards(ctx, boards), gr.update(choices=choices, value=first), *chosen(first)

    def refreshed(model_id: str, awaited_before: frozenset[str]) -> tuple[Any, ...]:
        awaited = ctx.speeds.awaited() if ctx.speeds else frozenset()
        if awaited and awaited == awaited_before:
            return (gr.skip(),) * 4
        shown = describe_boards(ctx, boards_of(ctx)), describe_card(ctx, ctx.catalog[model_id])
        return *shown, gr.Timer(active=bool(awaited)), awaited

    ctx.on_load.append(LoadUpdate((board, menu, card, whole, text), opened))
    refresh.tick(refreshed, [menu, known], [board, card, refresh, known], queue=False, **PRIVATE)
    clicked = board.input(None, None, menu, js=CHOSEN, **PRIVATE)
    for event in (menu.input, clicked.then):  # not `change`: on opening, the card comes with the menu's value
        event(chosen, menu, [card, whole, text], queue=False, **PRIVATE)


def record(ctx: DemoContext, spec: ModelSpec) -> Record:
    """What the endpoint says of one model."""
    state, speed = ctx.engine.availability(spec), ctx.speeds.speed(spec.id) if ctx.speeds else None
    return {
        **spec.model_dump(include={"id", "title", "summary", "tier", "tasks", "languages", "licence", "parameters"}),
        "training_data_licence": spec.training_data_licence,
        "download_bytes": spec.download_bytes,
        "available": state.available,
        "reason": state.reason,
        "scores": [score.model_dump(exclude_none=True) for score in spec.scores],
        "speed": None if speed is None else {"first_ms": round(speed.first_ms, 1), "unit": speed.unit,
                                             "per_second": round(speed.per_second, 1), "device": speed.device},
    }  # fmt: skip


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def models(task: str = "") -> AsyncGenerator[Record, None]:
        """List the models: what each does, its measured scores, licence, size, and how fast it is on this machine.

        Args:
            task: Only models that do this task, such as sentiment; empty for all.

        Returns:
            A record with models, a list of records.
        """
        try:
            found = [spec for spec in ctx.catalog.values() if task in ("", *spec.tasks)]
            yield {"models": await asyncio.to_thread(lambda: [record(ctx, spec) for spec in found])}
        except LlmCoreError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return models


DEMO = Demo(slug="models", order=95, icon="▦", task=None, build=build, endpoint=endpoint)
