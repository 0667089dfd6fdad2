"""The leaderboards: what the browser draws, as data; see `_drawn`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import gradio as gr

from demos._absence import absence
from demos._demo import DemoContext
from demos._drawn import drawn_view, encoded
from demos._models import parameters_of, size_of, unavailable
from llm_core.catalog import ModelSpec, Score
from llm_core.weights import Availability

if TYPE_CHECKING:
    from llm_core.leaderboard import Board

Boards: TypeAlias = "Mapping[str, Sequence[Board]]"


def board_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_boards` gives. ``board-root`` has the model that was clicked."""
    return drawn_view("board", elem_id)


def boards_of(ctx: DemoContext) -> Boards:
    """What the view shows, by task; that of the first task is shown when the page is opened."""
    from llm_core.leaderboard import leaderboards  # reads recipes: not for building the page

    return leaderboards(ctx.catalog, ctx.settings.models_dir)


def describe_boards(ctx: DemoContext, boards: Boards) -> str:
    """Value of the view; may ask the network for a moment."""
    specs = list(ctx.catalog.values())
    absent = unavailable(ctx, specs)
    return encoded(
        {
            "tasks": [[task, [_board(board) for board in found]] for task, found in boards.items()],
            "models": {spec.id: _model(ctx, spec, absent.get(spec.id)) for spec in specs},
        }
    )


def speed_of(ctx: DemoContext, spec: ModelSpec) -> list[Any] | bool | None:
    """``[ms to the first piece, a second, unit]``; true while it is being measured, ``None`` if it is not."""
    if ctx.speeds is None:
        return None
    if (speed := ctx.speeds.speed(spec.id)) is not None:
        return [round(speed.first_ms, 1), round(speed.per_second, 1), speed.unit]
    return spec.id in ctx.speeds.awaited() or None


def figure(score: Score) -> list[Any]:
    """``[value, low, high, rows]``."""
    return [score.value, score.low, score.high, score.rows]


def _board(board: Board) -> dict[str, Any]:
    rows: Sequence[list[Any]] = [
        [each.spec.id, figure(each.score) if each.score else None, each.command] for each in board.placings
    ]
    return {
        "title": board.title or board.data,
        "metric": board.metric,
        "lower": board.lower_is_better,
        "rows": rows,
        "baselines": [[name, figure(score)] for name, score in board.baselines],
    }


def _model(ctx: DemoContext, spec: ModelSpec, state: Availability | None) -> dict[str, Any]:
    return {
        "title": spec.title,
        "tier": spec.tier,
        "languages": spec.languages,
        "licence": spec.licence,
        "size": [spec.download_bytes, size_of(spec)],
        "parameters": [*parameters_of(ctx, spec)],
        "absent": absence(state) if state else [],
        "speed": speed_of(ctx, spec),
    }
