"""Under the hood: a text on its way through a model of ours, a worked example, and a model learning.

One forward pass fills all views of the text; what is done on them (other settings, another layer, another head) happens
in the browser. A choice that needs the model again, such as another word to be hidden, is a new request.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr
from gradio.components import Component

from demos import _inspection
from demos._api import Record, serve
from demos._demo import Demo, DemoContext
from demos._drawn import drawn_view
from demos._handler import Updates
from demos._learning import build_learning
from demos._stream import View
from demos._walkthrough import build_walkthrough
from demos._workbench import PRIVATE, Workbench
from llm_core.tasks.under_the_hood import TASK

VIEWS = {
    "sampling": _inspection.describe_sampling,
    "attention": _inspection.describe_attention,
    "lens": _inspection.describe_layers,
    "pieces": _inspection.describe_pieces,
    "embeddings": _inspection.describe_maps,
    "masked": _inspection.describe_hidden,
}
"""Views of a text, by the name of their script: what each is told."""
EXAMPLES = {
    "Once upon a time": "Once upon a time there was a little",
    "The king's daughter": 'The king said to his daughter, "You must',
    "A hidden word": "She opened the [MASK] and looked out.",
    "藏起来的字": "北京是中国的[MASK][MASK]。",
    "酒店": "这家酒店的服务很好，[MASK]餐也不错。",
}


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    drawn_view("road", "hood-road")
    with gr.Tabs(elem_classes=["views"], overflow_behavior="wrap"):
        with gr.Tab(ctx.t("under_the_hood.view_text"), id="hood-text"):
            _build_text(ctx)
        with gr.Tab(ctx.t("under_the_hood.view_walk"), id="hood-walk") as walk:
            build_walkthrough(ctx, walk)
        with gr.Tab(ctx.t("under_the_hood.view_learning"), id="hood-learning") as learning:
            build_learning(ctx, learning)


def _build_text(ctx: DemoContext) -> None:
    bench = Workbench(ctx, DEMO.slug, TASK, judged=False)
    views: dict[str, gr.HTML] = {}
    with bench.frame():
        with bench.fields():
            text = gr.Textbox(
                lines=2, max_lines=6, label=ctx.t("common.text"), placeholder=ctx.t("under_the_hood.placeholder")
            )
        with bench.results(), gr.Tabs(elem_classes=["views"], overflow_behavior="wrap"):
            for name in VIEWS:
                with gr.Tab(ctx.t(f"under_the_hood.view_{name}"), id=f"hood-{name}"):
                    gr.Markdown(ctx.t(f"under_the_hood.about_{name}"), elem_classes=["lead"])
                    views[name] = drawn_view(name, f"hood-{name}-view")
        bench.examples([[each] for each in EXAMPLES.values()], [text], list(EXAMPLES))

    def render(view: View, text: str) -> Updates:
        return {views[name]: describe(view.result) for name, describe in VIEWS.items()}

    bench.connect(
        inputs=[text], outputs=list(views.values()), to_request=lambda text: {"text": text}, render=render,
        submit=[text.submit],
    )  # fmt: skip
    for view in views.values():
        _let_choose(view, [text, bench.model], f"{DEMO.slug}-run")


def _let_choose(view: gr.HTML, fields: list[Component], run_id: str) -> None:
    """What a visitor chooses in a view, a text and perhaps another model, goes into the fields and is run."""
    take = """(value, text, model) => {
        const chosen = JSON.parse(value).chosen;
        return [chosen.text ?? text, chosen.model ?? model];
    }"""
    chosen = view.input(None, [view, *fields], fields, js=take, **PRIVATE)
    chosen.then(None, js=f"() => setTimeout(() => document.querySelector('#{run_id}').click(), 60)", **PRIVATE)


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def under_the_hood(
        text: str, model: str = "auto", request: gr.Request | None = None
    ) -> AsyncGenerator[Record, None]:
        """Look into a small language model: pieces of a text, each layer's guess at each of them, and what comes next.

        Args:
            text: At most 48 pieces; [MASK] hides a word, which an encoder guesses.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with kind, stacks (the pieces with ids), layers (the most probable pieces by layer and piece),
            hidden (guesses for each [MASK]), next (the most probable next pieces), model and seconds.
        """
        async for record in serve(ctx, TASK, {"text": text}, model, request):
            yield record

    return under_the_hood


DEMO = Demo(slug="under_the_hood", order=90, icon="⚙", task=TASK, build=build, endpoint=endpoint)
