"""The line below the page's title while models are on their way into memory; gone once all are there."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demos._demo import DemoContext, LoadUpdate
from demos._i18n import say
from demos._workbench import PRIVATE
from llm_core.operations.warm_up import WarmUp

REFRESH_SECONDS = 1.0


def arrival_view(ctx: DemoContext, warm_up: WarmUp) -> None:
    """Adds the line to the page that is being built; it keeps itself up to date."""
    line = gr.Markdown("", elem_id="arrival", visible=False)
    timer = gr.Timer(REFRESH_SECONDS, active=False)

    def told() -> tuple[Any, Any]:
        return _line(warm_up), gr.Timer(active=not warm_up.complete)

    ctx.on_load.append(LoadUpdate((line, timer), told))
    timer.tick(told, None, [line, timer], queue=False, **PRIVATE)


def _line(warm_up: WarmUp) -> Any:
    arrival = warm_up.arrival
    if arrival is not None and arrival.complete:
        return gr.update(value="", visible=False)
    return gr.update(value=say("arrival.loading", f"{arrival.done}/{arrival.total}" if arrival else ""), visible=True)
