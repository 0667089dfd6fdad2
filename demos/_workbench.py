"""The frame that all tabs share: fields left, result right, examples below; model menu, Run, Stop, Clear, status line.

A tab fills the frame with its own components and calls `connect` once. Nothing here knows a task.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from demos._demo import DemoContext, LoadUpdate
from demos._feedback import FeedbackPanel
from demos._handler import Updates, Wiring, cleared, make_clearer, make_stopper
from demos._models import describe_choice, describe_embedded, menu_choices, note_view, unavailable
from demos._status import status_view
from demos._usage import Place, usage_view
from demos._visitor import of_visitor
from llm_core.catalog import ModelSpec
from llm_core.selection import AUTO
from llm_core.session import Task
from llm_core.tasks.language import reads

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "show_progress_on": []}
"""For events of the page: they are no endpoints, and progress is shown in the status line, on no other component.
To hide it there, Gradio would look through the whole page for each output of all events so far, with each message of a
run."""
_NOT_KEPT = (gr.File, gr.UploadButton, gr.Chatbot)
"""Neither a link nor the browser can hold their values."""


class Workbench:
    """One frame; a tab with two views has two.

    Args:
        ctx: What the tab is built with.
        name: Prefix of element ids, unique on the page; the tab's slug for its first frame.
        task: What Run runs.
        judged: Whether visitors may vote on its answers, where the owner wants that.
    """

    def __init__(self, ctx: DemoContext, name: str, task: Task[Any, Any], *, judged: bool = True) -> None:
        self.ctx = ctx
        self._judged = judged and ctx.feedback is not None
        self.name = name
        self.task = task
        self.specs = ctx.catalog.for_task(task.name)
        self.choosers: Sequence[gr.Radio | gr.Dropdown] = ()
        self.specs_of: Callable[..., Sequence[ModelSpec]] = lambda: self.specs
        self._panels: list[Component] = []
        self._note_of: Callable[..., str] = lambda *_: ""

    @contextlib.contextmanager
    def frame(self) -> Iterator[None]:
        """The whole of it; `fields`, `results` and `examples` go inside, in this order."""
        with gr.Row(elem_id=self.name, elem_classes=["workbench"]) as row:
            self.place = Place(self.name, _tabs_around(row))
            yield

    @contextlib.contextmanager
    def fields(self) -> Iterator[None]:
        """The left column: the tab's own fields, then what all tabs have."""
        with gr.Column(elem_classes=["fields"], min_width=280):
            yield
            self.message = gr.Markdown("", elem_id=f"{self.name}-message", elem_classes=["problem"])
            with gr.Row(elem_classes=["actions"]):
                self.run = self._button("run", variant="primary")
                self.stop = self._button("stop", variant="stop", interactive=False)
                self.clear = self._button("clear", variant="secondary")
            self._model_menu()

    def narrow(
        self,
        choosers: Sequence[gr.Radio | gr.Dropdown],
        specs_of: Callable[..., Sequence[ModelSpec]],
        note_of: Callable[..., str] = lambda *_: "",
    ) -> None:
        """Let the model menu follow what the visitor chose; call it inside `fields`.

        Args:
            choosers: Components whose values decide.
            specs_of: Maps these values to the entries that serve them.
            note_of: Maps them to what stands below the menu instead of a model's description, or to nothing.
        """
        self.choosers, self.specs_of, self._note_of = choosers, specs_of, note_of

    @contextlib.contextmanager
    def results(self) -> Iterator[None]:
        """The right column: the tab's result, then the status line."""
        with gr.Column(elem_classes=["results"], min_width=280):
            yield
            self.status = status_view(f"{self.name}-status")
            self.feedback = FeedbackPanel(self.ctx, self.name) if self._judged else None
            self._details = gr.Column(elem_classes=["details"])
            with gr.Accordion(self.ctx.t("usage.title"), open=False):
                self.usage = usage_view(f"{self.name}-usage")

    @contextlib.contextmanager
    def across(self) -> Iterator[None]:
        """Below both columns, as wide as both; after `examples`."""
        with gr.Column(elem_classes=["across"], min_width=280):
            yield

    @contextlib.contextmanager
    def details(self) -> Iterator[None]:
        """Below the status line: what may be long, and moves nothing when it appears. After `results`."""
        with self._details:
            yield

    def examples(
        self,
        samples: Sequence[Sequence[Any]],
        inputs: Sequence[Component],
        labels: Sequence[str],
        prepare: tuple[Callable[..., Any], Sequence[Component], Sequence[Component]] | None = None,
    ) -> None:
        """Samples that fill the fields and run at once.

        Samples in a language that no embedded model of the menu reads are left out: an example must work everywhere.

        Args:
            samples: One row of values for `inputs` each.
            inputs: The components that are filled.
            labels: What each sample is called.
            prepare: What to do between filling and running: a function, its inputs and its outputs.
        """
        shown = [(list(sample), label) for sample, label in zip(samples, labels, strict=True) if self._readable(sample)]
        with gr.Column(elem_classes=["examples"], min_width=280):
            self.samples = gr.Examples(
                examples=[sample for sample, _ in shown],
                inputs=list(inputs),
                example_labels=[label for _, label in shown],
                label=self.ctx.t("common.examples"),
                elem_id=f"{self.name}-examples",
                api_visibility="private",
                cache_examples=False,
            )
        press_run = f"() => setTimeout(() => document.querySelector('#{self.name}-run').click(), 60)"
        filled = self.samples.load_input_event
        if prepare is not None:
            filled = filled.then(*prepare, queue=False, **PRIVATE)
        filled.then(None, js=press_run, api_visibility="private")

    def connect(
        self,
        *,
        inputs: Sequence[Component],
        outputs: Sequence[Component],
        to_request: Callable[..., Mapping[str, Any]],
        render: Callable[..., Updates],
        submit: Sequence[Callable[..., Any]] = (),
        restart: Sequence[Callable[..., Any]] = (),
    ) -> None:
        """Wire Run, Stop and Clear.

        Args:
            inputs: Components whose values are the request.
            outputs: Components that `render` updates.
            to_request: See `Wiring`.
            render: See `Wiring`.
            submit: Further triggers of Run, such as ``text.submit``.
            restart: Triggers that end a run that is under way and begin another, such as a pause in typing.
        """
        linkable = not any(isinstance(each, _NOT_KEPT) for each in inputs)
        place = self.place if linkable else None
        wiring = Wiring(
            self.task, to_request, render, self.message, self.status, self.stop, self.usage, place, self.feedback
        )
        self._inputs = list(inputs)
        self._wiring = wiring
        self._shared: list[Block] = [self.message, self.status, self.stop, self.usage]
        self._shared += [self.ctx.history] if self.ctx.history is not None else []
        if self.feedback is not None:
            self._shared += self.feedback.components
            self.feedback.connect(**PRIVATE)
        self._on([self.run.click, *submit], wiring, inputs, outputs)
        if restart:
            self._on(restart, wiring, inputs, outputs, trigger_mode="multiple")
        kept = [each for each in inputs if not isinstance(each, _NOT_KEPT)]
        self.ctx.restorable.append((self.name, (self.model, *kept)))
        self.stop.click(make_stopper(wiring), queue=False, **PRIVATE)
        self._connect_clear([each for each in kept if each not in outputs], [*inputs, *outputs, *self._panels])

    def _connect_clear(self, fields: Sequence[Component], components: Sequence[Component]) -> None:
        """The browser empties the fields by itself: what is typed next must not be lost when the server has answered.

        Args:
            fields: What only visitors fill.
            components: All that Clear empties; but for the fields, once a run that may be writing to them has ended.
        """
        blank: dict[Block, Any] = {each: each.value for each in components if each not in fields}

        def left() -> Updates:
            return {**blank, **cleared(self._wiring)}

        values = [each.value for each in fields]
        emptied = json.dumps(values[0] if len(values) == 1 else values)  # Gradio takes a single one as it is
        self.clear.click(None, None, list(fields), js=f"() => ({emptied})", **PRIVATE).then(
            make_clearer(self._wiring, left), outputs=[*blank, *self._shared], concurrency_limit=None, **PRIVATE
        )

    def connect_also(
        self,
        trigger: Callable[..., Any],
        task: Task[Any, Any],
        *,
        inputs: Sequence[Component],
        outputs: Sequence[Component],
        to_request: Callable[..., Mapping[str, Any]],
        render: Callable[..., Updates],
    ) -> None:
        """Another button of the frame that runs a model; Stop and the status line are shared. Call it after `connect`.

        Args:
            trigger: Such as ``button.click``.
            task: What it runs.
            inputs: As in `connect`; where they are others, there is no link to the request.
            outputs: Components that `render` updates; `connect` knows them, too, so that Clear and Run empty them.
            to_request: See `Wiring`.
            render: See `Wiring`.
        """
        place = self._wiring.place if list(inputs) == self._inputs else None
        wiring = replace(self._wiring, task=task, to_request=to_request, render=render, place=place, feedback=None)
        self._on([trigger], wiring, inputs, outputs)

    def empty(self, view: Component) -> None:
        """Let Clear empty the view of a panel; call it before `connect`."""
        self._panels.append(view)

    def connect_panel(
        self, run: gr.Button, stop: gr.Button, own: Mapping[str, Any], inputs: Any, outputs: Any
    ) -> Wiring:
        """A panel with buttons, message and status line of its own; still one run a session and tab, so that either
        Stop ends what runs. Call it after `connect`.

        Args:
            run: Starts it.
            stop: Ends it.
            own: The fields of `Wiring` in which it differs.
            inputs: Components whose values `Wiring.steps` gets.
            outputs: Components that it updates.
        """
        wiring = replace(self._wiring, feedback=None, **own)
        self._on([run.click], wiring, inputs, outputs, shared=[wiring.message, wiring.status, wiring.stop])
        stop.click(make_stopper(wiring), queue=False, **PRIVATE)
        return wiring

    def _on(
        self,
        triggers: Sequence[Callable[..., Any]],
        wiring: Wiring,
        inputs: Sequence[Component],
        outputs: Sequence[Component],
        trigger_mode: Literal["once", "multiple"] = "once",
        shared: Sequence[Any] | None = None,
    ) -> None:
        updated = [*outputs, *(self._shared if shared is None else shared)]
        gr.on(
            list(triggers),
            self.ctx.stream(wiring, updated),
            inputs=[self.model, *inputs],
            outputs=updated,
            concurrency_limit=None,
            trigger_mode=trigger_mode,
            **PRIVATE,
        )

    def _readable(self, sample: Sequence[Any]) -> bool:
        embedded = [spec for spec in self.specs if spec.tier == "embedded"]
        text = " ".join(value for value in sample if isinstance(value, str))
        return not embedded or any(reads(spec, text) for spec in embedded)

    def _model_menu(self) -> None:
        chosen = [component.value for component in self.choosers]
        with gr.Column(elem_classes=["model"]):
            self.model = gr.Dropdown(
                menu_choices(self.specs),  # all: a page may outlive the server, which then knows of no narrower menu
                value=AUTO,
                label=self.ctx.t("model.label"),
                elem_id=f"{self.name}-model",
                filterable=False,
            )
            self.note = note_view(f"{self.name}-note", self._first_note(*chosen))
        menu, fields = (self.model, self.note), (self.model, *self.choosers)
        # Unchecked by Gradio, whose error would stand in the place of the note: a link may name anything.
        unchecked: dict[str, Any] = {"queue": False, "preprocess": False, **PRIVATE}
        self.model.change(self._describe, list(fields), self.note, **unchecked)
        for chooser in self.choosers:
            chooser.change(self._refresh, list(fields), list(menu), **unchecked)
        self.ctx.on_load.append(LoadUpdate(menu, self._refresh, fields))

    def _describe(self, model_id: str, *chosen: Any) -> str:
        specs = self.specs_of(*chosen)
        said = self._note_of(*chosen)
        return said or of_visitor().run(describe_choice, self.ctx, specs, _on_offer(specs, model_id))

    def _first_note(self, *chosen: Any) -> str:
        """What is known while the page is built, without asking the network; nothing moves if it turns out true."""
        specs = self.specs_of(*chosen)
        if any(spec.tier == "remote" for spec in specs):
            return ""
        return self._note_of(*chosen) or describe_embedded(self.ctx, specs)

    def _refresh(self, model_id: str, *chosen: Any) -> tuple[Any, ...]:
        """Menu and note as things stand now; not done while the page is built, because it may ask the network.

        A choice that stays possible is not sent: it could undo a newer one.
        """
        specs = self.specs_of(*chosen)
        choices = menu_choices(specs, of_visitor().run(unavailable, self.ctx, specs))
        stays = _on_offer(specs, model_id) == model_id
        updated = gr.update(choices=choices) if stays else gr.update(choices=choices, value=AUTO)
        return updated, self._describe(model_id, *chosen)

    def _button(self, action: str, **options: Any) -> gr.Button:
        return gr.Button(
            self.ctx.t(f"common.{action}"),
            elem_id=f"{self.name}-{action}",
            elem_classes=[action],
            min_width=80,
            **options,
        )


def _on_offer(specs: Sequence[ModelSpec], model_id: str) -> str:
    """The chosen model, or "automatic" where it is none of these; links may name anything."""
    return model_id if any(spec.id == model_id for spec in specs) else AUTO


def _tabs_around(block: Block) -> tuple[str, ...]:
    """Ids of the tabs that a block is in, outermost first."""
    found: list[str] = []
    parent = block.parent
    while parent is not None:
        if isinstance(parent, gr.Tab):
            found.insert(0, str(parent.id))
        parent = parent.parent
    return tuple(found)
