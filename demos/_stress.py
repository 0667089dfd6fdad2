"""What becomes of an answer when the text is written otherwise: what the browser draws, as data; see `_drawn`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from demos._drawn import drawn_view, encoded
from demos._handler import Updates
from demos._labels import has_own_labels
from demos._stream import View
from demos._workbench import Workbench
from llm_core.tasks.stress import StressResult, StressTask


class StressPanel:
    """The button that tries a frame's task on other forms of the text, and the list of what came out.

    Args:
        bench: The frame; made within its `details`.
    """

    def __init__(self, bench: Workbench) -> None:
        title, name = bench.ctx.t("stress.try_to_break_it"), bench.name
        self.bench = bench
        self.button = gr.Button(title, elem_id=f"{name}-stress", elem_classes=["break-it"])
        self.view = drawn_view("stress", f"{name}-broken")

    def connect(self, inputs: Sequence[Component], to_request: Callable[..., Mapping[str, Any]]) -> None:
        """Wire the button, once the frame is connected; both as those of the frame."""

        def render(view: View, *values: Any) -> Updates:
            if not isinstance(view.result, StressResult):
                return {}
            return {self.view: describe_stress(self.bench.task.name, to_request(*values), view.result)}

        self.bench.connect_also(
            self.button.click,
            StressTask(self.bench.task),  # type: ignore[arg-type]  # of the tasks that answer many at once
            inputs=inputs,
            outputs=[self.view],
            to_request=to_request,
            render=render,
        )


def describe_stress(task: str, fields: Mapping[str, Any], result: StressResult) -> str:
    """Value of the view: those that turned the answer first.

    Args:
        task: Whose answers they are.
        fields: Of the request as written.
        result: What came of its other forms.
    """
    outcomes = sorted(result.outcomes, key=lambda outcome: (not outcome.same_meaning, not outcome.flipped))
    rows = [
        {
            "change": each.change,
            "field": each.field,
            "text": each.text,
            "label": each.label,
            "score": round(each.score, 4),
            "flipped": each.flipped,
            "same": each.same_meaning,
            "lost": each.lost,
            "new": each.new,
        }
        for each in outcomes
    ]
    changed = {each.field for each in outcomes}
    kind = "label" if task in ("classify", "sentiment") else task
    written = {name: fields[name] for name in changed}
    own = task == "classify" and has_own_labels(fields)
    return encoded({"kind": kind, "written": written, "flips": result.flips, "rows": rows, "own": own})
