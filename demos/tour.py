"""Showcase mode: a guided tour in large type, whose examples are run live; see `_tour` for what an owner may change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from demos._compare import drawn_answer
from demos._demo import Demo, DemoContext, discover
from demos._drawn import drawn_view
from demos._handler import Updates, Wiring, make_stopper
from demos._i18n import own_string
from demos._status import status_view
from demos._stream import View
from demos._tour import KEY, Tour, TourStep, logo_source, read_tour, tour_file
from demos._workbench import PRIVATE
from llm_core.selection import AUTO

SLUG = "tour"


def build(ctx: DemoContext) -> None:
    """See `Demo.build`.

    Raises:
        InputError: The owner's file is not what `_tour` asks for.
    """
    file = tour_file()
    tour = read_tour(file)
    shown = {demo.slug: demo for demo in discover() if demo.task is not None}
    with gr.Column(elem_id=SLUG):
        if tour.accent is not None:
            gr.HTML(f"<style>#{SLUG} {{ --tour-accent: {tour.accent} }}</style>", elem_classes=["unseen"])
        controls = drawn_view(SLUG, "tour-controls")
        with gr.Walkthrough(selected=0, elem_id="tour-steps") as walkthrough:
            with gr.Step(ctx.t("tour.start"), id=0, elem_id="tour-step-0"):
                _opening(tour, file)
            for number, step in enumerate(tour.step, start=1):
                with gr.Step(ctx.t(f"{step.task}.title"), id=number, elem_id=f"tour-step-{number}"):
                    _build_step(ctx, shown[step.task], step, number)
            last = len(tour.step) + 1
            with gr.Step(ctx.t("tour.end"), id=last, elem_id=f"tour-step-{last}"):
                _ending(ctx, shown)
        # Gradio itself lets visitors go back to a step, but not on to the next.
        to_step = "(step) => ({ selected: Number(step), __type__: 'update' })"
        controls.input(None, controls, walkthrough, js=to_step, **PRIVATE)


def said(name: str) -> I18nData:
    """The owner's words, in the visitor's language."""
    return own_string(f"{KEY}.{name}")


def _opening(tour: Tour, file: Path) -> None:
    if source := logo_source(tour, file):
        gr.HTML(f'<img class="logo" alt="" src="{source}">')
    gr.Markdown(said("title"), elem_classes=["tour-title"])
    gr.Markdown(said("lead"), elem_classes=["tour-lead"])


def _build_step(ctx: DemoContext, demo: Demo, step: TourStep, number: int) -> None:
    task = demo.task
    assert task is not None, "a step runs a task"
    name = f"{SLUG}-{number}"
    gr.Markdown(said(f"title_{number}"), elem_classes=["tour-title"])
    gr.Markdown(said(f"notes_{number}"), elem_classes=["speaker-notes"])
    with gr.Row(elem_classes=["shown"]):
        with gr.Column(min_width=280):
            _long_text(ctx, step, name)
            edited = gr.Textbox(
                step.fields[step.edited], label=ctx.t("common.text"), lines=3, max_lines=8, elem_id=f"{name}-text"
            )
            message = gr.Markdown("", elem_id=f"{name}-message", elem_classes=["problem"])
            with gr.Row(elem_classes=["actions"]):
                run = gr.Button(ctx.t("common.run"), elem_id=f"{name}-run", elem_classes=["run"], variant="primary")
                stop = gr.Button(
                    ctx.t("common.stop"), elem_id=f"{name}-stop", elem_classes=["stop"], variant="stop",
                    interactive=False,
                )  # fmt: skip
        with gr.Column(min_width=280):
            answer = drawn_view("compare", f"{name}-answer")
            status = status_view(f"{name}-status")

    def to_request(text: str) -> Mapping[str, Any]:
        return {**step.fields, step.edited: text}

    def render(view: View, text: str) -> Updates:
        return {answer: drawn_answer(ctx, task, to_request(text), view)}

    wiring = Wiring(task, to_request, render, message, status, stop, usage=None, place=None)
    outputs = [answer, message, status, stop]
    run.click(
        ctx.stream(wiring, outputs),
        inputs=[gr.State(AUTO), edited],
        outputs=outputs,
        concurrency_limit=None,
        **PRIVATE,
    )
    stop.click(make_stopper(wiring), queue=False, **PRIVATE)


def _long_text(ctx: DemoContext, step: TourStep, name: str) -> None:
    """What is asked about, where the question is what can be changed."""
    asked = step.fields[step.edited]
    longest = max((value for value in step.fields.values() if isinstance(value, str)), key=len)
    if len(longest) > len(asked):
        gr.Textbox(
            longest,
            label=ctx.t("common.text"),
            show_label=False,
            interactive=False,
            lines=3,
            max_lines=10,
            elem_id=f"{name}-given",
        )


def _ending(ctx: DemoContext, shown: Mapping[str, Demo]) -> None:
    gr.Markdown(ctx.t("tour.your_turn"), elem_classes=["tour-title"])
    with gr.Row(elem_classes=["onward"]):
        for demo in shown.values():
            if not demo.within:
                gr.Button(ctx.t(f"{demo.slug}.title"), elem_id=f"tour-to-{demo.slug}")


DEMO = Demo(slug=SLUG, order=98, icon="▶", task=None, build=build, endpoint=None)
