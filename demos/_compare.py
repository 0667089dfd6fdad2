"""Compare: what a frame's fields hold, through two or three models or settings at once, side by side.

A tab adds it with two lines: `ComparePanel` inside the frame and `connect` after the frame's. Settings are written as
``field=value, field=value`` of the task's request, such as ``temperature=0``.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component

from demos._demo import DemoContext, LoadUpdate
from demos._drawn import drawn_view, encoded
from demos._handler import Updates, Wiring, started
from demos._messages import reason
from demos._models import cost_of, disk_bytes, in_bytes, measured, menu_choices, price_of, unavailable
from demos._outcomes import Labels, Outcome, Spans, Words, compared, draft, outcome_of
from demos._status import DONE, line, status_view
from demos._stream import View, follow_each
from demos._workbench import PRIVATE, Workbench
from llm_core.catalog import ModelSpec
from llm_core.errors import CancelledError, InputError, LlmCoreError
from llm_core.selection import AUTO
from llm_core.session import Task
from llm_core.tasks.instructed import InstructedResult, InstructedTask, instructed_specs
from llm_core.types import CancelToken, Event, Loading, Progress, Waiting
from llm_core.weights import Availability

COLUMNS = 3
NO_COLUMN = ""
AS_SET = ""
"""The settings as they are in the fields."""
_SETTING = re.compile(r"\s*(\w+)\s*=\s*([^,;\n]*?)\s*(?:[,;\n]|$)")

Fields = Mapping[str, Any]
Plan = tuple[Task[Any, Any], Fields]


@dataclass
class Column:
    """One of the models or settings that are compared."""

    settings: str
    spec: ModelSpec | None = None
    task: Task[Any, Any] | None = None
    request: Any = None
    error: Exception | None = None
    """Why there is nothing to run."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the browser shows of the model."""


class ComparePanel:
    """The folded panel below a frame; made within it, after its examples.

    Args:
        bench: The frame.
        settings: Settings to choose from; the first is the second column's where there is no second model.
        also: Further entries that serve what is chosen, given the values of the frame's choosers; `adapt` says how.
        adapt: How a column asks, given its entry (``None``: automatic) and its fields, where that is not as Run does.
        fits: Which entries the second column may begin with; visitors may choose any.
    """

    def __init__(
        self,
        bench: Workbench,
        settings: Sequence[str] = (),
        *,
        also: Callable[..., Sequence[ModelSpec]] = lambda *chosen: (),
        adapt: Callable[[ModelSpec | None, Fields], Plan] | None = None,
        fits: Callable[[ModelSpec], bool] = lambda spec: True,
    ) -> None:
        self.bench, self.settings, self._also, self._fits = bench, tuple(settings), also, fits
        self._adapt = adapt or (lambda spec, fields: (bench.task, fields))
        self._build()

    def connect(
        self,
        inputs: Sequence[Component],
        to_request: Callable[..., Fields],
        outcome: Callable[[Any, Any], Outcome] | None = None,
        *,
        code: bool = False,
        own_labels: Callable[[Fields], bool] = lambda fields: False,
    ) -> None:
        """Wire the button, once the frame is connected.

        Args:
            inputs: Components whose values are the request, as in `Workbench.connect`.
            to_request: As there.
            outcome: What a request and its result come down to, where that is not as `outcome_of` has it.
            code: Whether what streams is code.
            own_labels: Whether the labels that fields ask for are the visitor's, which nobody translates.
        """
        self._to_request, self._code, self._own_labels = to_request, code, own_labels
        self._outcome = outcome or functools.partial(outcome_of, self.bench.task.name)
        own = {"message": self.message, "status": self.status, "stop": self.stop, "steps": self._steps}
        self.wiring = self.bench.connect_panel(self.run, self.stop, own, [*self._menus(), *inputs], [self.view])
        for ladder in self._ladder:
            self._connect_ladder(ladder)
        for chooser in self.bench.choosers:
            chooser.change(self._refresh, list(self.bench.choosers), self._refreshed, queue=False, **PRIVATE)
        on_load = LoadUpdate(tuple(self._refreshed), self._refresh, tuple(self.bench.choosers))
        self.bench.ctx.on_load.append(on_load)

    def _connect_ladder(self, ladder: gr.Button) -> None:
        press_run = f"() => setTimeout(() => document.querySelector('#{self.bench.name}-compare-run').click(), 60)"
        ladder.click(
            self._climb, list(self.bench.choosers), [*self._models, *self._settings], queue=False, **PRIVATE
        ).then(None, js=press_run, api_visibility="private")

    def _build(self) -> None:
        t, name = self.bench.ctx.t, self.bench.name
        with (
            self.bench.across(),
            gr.Accordion(t("compare.title"), open=False, elem_id=f"{name}-compare", elem_classes=["compare-panel"]),
        ):
            gr.Markdown(t("compare.lead"), elem_classes=["note"])
            self._models: list[gr.Dropdown] = []
            self._settings: list[gr.Dropdown] = []
            with gr.Row(elem_classes=["compared-menus"]):
                for number in range(1, COLUMNS + 1):
                    self._build_column(number)
            self.message = gr.Markdown("", elem_id=f"{name}-compare-message", elem_classes=["problem"])
            with gr.Row(elem_classes=["actions"]):
                self.run = gr.Button(
                    t("compare.run"), elem_id=f"{name}-compare-run", elem_classes=["run"], variant="primary"
                )
                self._ladder: list[gr.Button] = []
                if self._climbs:
                    self._ladder.append(
                        gr.Button(t("remote.ladder"), elem_id=f"{name}-compare-ladder", interactive=False)
                    )
                self.stop = gr.Button(
                    t("common.stop"), elem_id=f"{name}-compare-stop", elem_classes=["stop"], variant="stop",
                    interactive=False, min_width=80,
                )  # fmt: skip
            if self._ladder:
                gr.Markdown(t("remote.ladder_hint"), elem_classes=["note"])
            self.status = status_view(f"{name}-compare-status", value="")
            self.view = drawn_view("compare", f"{name}-compared")
            self.bench.empty(self.view)
        self._refreshed = [*self._models, *self._settings[1:2], *self._ladder]

    def _build_column(self, number: int) -> None:
        ctx, name = self.bench.ctx, self.bench.name
        specs = self._specs(*(chooser.value for chooser in self.bench.choosers))
        second, setting = self._second([spec for spec in specs if spec.tier == "embedded"])
        self._models.append(
            gr.Dropdown(
                self._choices(self._with_instructed([*self.bench.specs, *specs]), {}, optional=number == COLUMNS),
                value=(AUTO, second, NO_COLUMN)[number - 1],
                label=ctx.t(f"compare.model_{number}"),
                elem_id=f"{name}-compare-model-{number}",
                filterable=False,
            )
        )
        if self.settings:
            self._settings.append(
                gr.Dropdown(
                    [(ctx.t("compare.as_set"), AS_SET), *self.settings],
                    value=setting if number == 2 else AS_SET,
                    label=ctx.t("compare.settings"),
                    elem_id=f"{name}-compare-settings-{number}",
                    allow_custom_value=True,
                )
            )

    def _menus(self) -> list[gr.Dropdown]:
        """A model and its settings, column by column."""
        if not self.settings:
            return self._models
        return [menu for pair in zip(self._models, self._settings, strict=True) for menu in pair]

    def _specs(self, *chosen: Any) -> tuple[ModelSpec, ...]:
        return self._with_instructed([*self.bench.specs_of(*chosen), *self._also(*chosen)])

    def _with_instructed(self, specs: Sequence[ModelSpec]) -> tuple[ModelSpec, ...]:
        instructed = instructed_specs(self.bench.ctx.catalog, self.bench.task.name)
        return tuple(dict.fromkeys([*specs, *instructed]))

    def _is_asked(self, spec: ModelSpec) -> bool:
        """Whether a model does the tab's task only when it is told in words."""
        return spec in instructed_specs(self.bench.ctx.catalog, self.bench.task.name)

    def _choices(self, specs: Sequence[ModelSpec], absent: Mapping[str, Availability], *, optional: bool) -> list[Any]:
        choices: list[Any] = menu_choices(specs, absent, {spec.id for spec in specs if self._is_asked(spec)})
        return [(self.bench.ctx.t("compare.nothing"), NO_COLUMN), *choices] if optional else choices

    def _second(self, available: Sequence[ModelSpec]) -> tuple[str, str]:
        """Model and settings of the second column: another model if there is one, else other settings."""
        own = [spec for spec in available if not self._is_asked(spec)]
        others = [spec for spec in available if spec not in own[:1] and not self._reads_other(spec, own)]
        others = [spec for spec in others if self._fits(spec)]
        return (others[0].id, AS_SET) if others else (AUTO, next(iter(self.settings), AS_SET))

    def _reads_other(self, spec: ModelSpec, own: Sequence[ModelSpec]) -> bool:
        """Whether an entry is there for another language than the first one."""
        return bool(own) and not set(own[0].languages) & set(spec.languages)

    def _refresh(self, *chosen: Any) -> tuple[Any, ...]:
        specs = self._specs(*chosen)
        absent = unavailable(self.bench.ctx, specs)
        second, setting = self._second([spec for spec in specs if spec.id not in absent])
        values = (AUTO, second, NO_COLUMN)
        menus = [
            gr.update(choices=self._choices(specs, absent, optional=value == NO_COLUMN), value=value)
            for value in values
        ]
        settings = [gr.update(value=setting)] if self.settings else []
        ladder = [gr.update(interactive=len(self._rungs(specs)) > 1) for _ in self._ladder]
        return (*menus, *settings, *ladder)

    @property
    def _climbs(self) -> bool:
        """Whether models that write are of several tiers, which can be told apart by speed and price."""
        return len({spec.tier for spec in self.bench.specs if spec.head == "causal_lm"}) > 1

    def _rungs(self, specs: Sequence[ModelSpec]) -> list[ModelSpec]:
        """The ladder: the first entry of each tier that is here; a remote one stays if its server does not answer."""
        able = [spec for spec in specs if spec.head == "causal_lm"]
        ready = [spec for spec in able if spec.tier == "remote" or self.bench.ctx.engine.availability(spec).present]
        return [
            next(spec for spec in ready if spec.tier == tier)
            for tier in ("embedded", "hub", "remote")
            if any(spec.tier == tier for spec in ready)
        ]

    def _climb(self, *chosen: Any) -> tuple[Any, ...]:
        """Menus with one model a tier, all asked with the settings of the fields."""
        rungs = [spec.id for spec in self._rungs(self._specs(*chosen))]
        return (*rungs, *[NO_COLUMN] * (COLUMNS - len(rungs)), *[AS_SET] * len(self._settings))

    def _spec(self, model_id: str) -> ModelSpec:
        return self.bench.ctx.catalog[model_id]

    async def _steps(
        self, ctx: DemoContext, wiring: Wiring, session: str, cancel: CancelToken, given: tuple[Any, ...]
    ) -> AsyncGenerator[Updates, None]:
        """See `Wiring.steps`."""
        began = time.monotonic()
        columns = await asyncio.to_thread(self._columns, given[1:])
        runs = [_run_of(ctx, column, session) for column in columns]
        drawn = self._drawn(columns, [View() for _ in columns])
        yield {**started(wiring), self.view: drawn}
        async with contextlib.aclosing(follow_each(runs, cancel)) as seen:
            async for views in seen:
                ended = all(view.ended for view in views)
                latest = await asyncio.to_thread(self._drawn, columns, views) if ended else self._drawn(columns, views)
                yield {wiring.stop: gr.update()} if latest == drawn else {self.view: latest}
                drawn = latest
                if ended and any(isinstance(view.error, CancelledError) for view in views):
                    raise CancelledError
        done = line([f"{DONE} {time.monotonic() - began:.1f} s"])
        yield {wiring.status: done, wiring.stop: gr.update(interactive=False)}

    def _columns(self, given: tuple[Any, ...]) -> list[Column]:
        """What each column asks.

        Raises:
            InputError: None of them can be asked, all for the same reason: the fields are not right.
        """
        each = 2 if self.settings else 1
        menus, values = given[: COLUMNS * each], given[COLUMNS * each :]
        fields = self._to_request(*values)
        columns = [
            self._column(menus[place], menus[place + 1] if each == 2 else AS_SET, fields)
            for place in range(0, len(menus), each)
            if menus[place]
        ]
        errors = {str(column.error) for column in columns}
        if len(errors) == 1 and isinstance(columns[0].error, InputError):
            raise columns[0].error
        return columns

    def _column(self, model_id: str, settings: str | None, fields: Fields) -> Column:
        ctx, column = self.bench.ctx, Column(settings or AS_SET)
        own = False
        try:
            column.spec = None if model_id == AUTO else ctx.catalog[model_id]
            asked: Fields = {**fields, **parse_settings(column.settings)}
            own = self._own_labels(asked)
            column.task, asked = self._planned(column.spec, asked)
            column.request = column.task.request_type.parse(asked)
            column.spec = ctx.engine.resolve(column.task, column.request, model_id)
        except LlmCoreError as error:
            column.error = error
        column.facts = {**_facts(ctx, self.bench.task, column), "own": own}
        return column

    def _planned(self, spec: ModelSpec | None, fields: Fields) -> Plan:
        task, fields = self._adapt(spec, fields)
        instructed: Any = InstructedTask(task) if spec is not None and self._is_asked(spec) else None
        return instructed or task, fields

    def _drawn(self, columns: Sequence[Column], views: Sequence[View]) -> str:
        outcomes = compared([self._outcome_of(*each) for each in zip(columns, views, strict=True)])
        rows = [
            {**column.facts, **_state(view, column.spec), "outcome": outcome or self._draft(column, view)}
            for column, view, outcome in zip(columns, views, outcomes, strict=True)
        ]
        return encoded({"columns": rows, "done": all(view.ended for view in views)})

    def _outcome_of(self, column: Column, view: View) -> Outcome | None:
        if view.stats is None:
            return None
        if isinstance(view.result, InstructedResult):
            return _outcome_of_words(self.bench.task.name, column.request, view.result)
        return self._outcome(column.request, view.result)

    def _draft(self, column: Column, view: View) -> dict[str, Any] | None:
        return draft(view.text, self._code) if view.text else None


def drawn_answer(ctx: DemoContext, task: Task[Any, Any], fields: Fields, view: View) -> str:
    """Value of a view that shows what one model answers: a comparison of one."""
    spec = ctx.catalog[view.stats.model_id] if view.stats else None
    drawn = draft(view.text, task.name == "complete") if view.text else None
    if view.stats:
        [drawn] = compared([outcome_of(task.name, task.request_type.parse(fields), view.result)])
    column = {**_facts(ctx, task, Column(AS_SET, spec)), **_state(view, spec), "outcome": drawn}
    return encoded({"columns": [column], "done": view.ended})


def parse_settings(written: str) -> dict[str, Any]:
    """Fields from ``name=value, name=value``; values are JSON, or else text.

    Raises:
        InputError: It is written otherwise.
    """
    fields: dict[str, Any] = {}
    position = 0
    while position < len(written.strip()):
        found = _SETTING.match(written.strip(), position)
        if found is None:
            raise InputError("settings", "must be written as name=value, with commas between several")
        try:
            fields[found[1]] = json.loads(found[2])
        except ValueError:
            fields[found[1]] = found[2]
        position = found.end()
    return fields


def _run_of(ctx: DemoContext, column: Column, session: str) -> Any:
    if column.error is not None or column.spec is None or column.task is None:
        return functools.partial(_refuse, column.error or CancelledError())
    return functools.partial(
        ctx.engine.run, column.task, column.request, model_id=column.spec.id, client=session
    )  # fmt: skip


def _refuse(error: Exception, *, cancel: CancelToken) -> Generator[Event, None, None]:
    raise error


def _facts(ctx: DemoContext, task: Task[Any, Any], column: Column) -> dict[str, Any]:
    spec = column.spec
    facts: dict[str, Any] = {
        "settings": column.settings,
        "id": spec.id if spec else "",
        "title": spec.title if spec else "",
        "price": "",
    }
    if spec is None:
        return facts
    own = column.task is None or (type(column.task) is type(task) and task.name in spec.tasks)
    return {
        **facts,
        "asked": isinstance(column.task, InstructedTask),
        "tier": spec.tier,
        "size": "" if spec.tier == "remote" else in_bytes(disk_bytes(ctx, spec)),
        "price": price_of(spec),
        "licence": spec.licence,
        "terms": spec.training_data_licence,
        "scores": measured(spec)[:2] if own else [],
    }


def _state(view: View, spec: ModelSpec | None) -> dict[str, Any]:
    """What a column is busy with, or what it took."""
    if view.error is not None:
        return {"state": "failed", "error": reason(view.error)}
    if view.stats is not None:
        stats = view.stats
        return {
            "state": "done",
            "first": round(stats.first_token_ms) if stats.tokens else None,
            "total": round(stats.total_ms),
            "speed": stats.tokens_per_second and round(stats.tokens_per_second),
            "tokens": stats.tokens,
            "device": stats.device,
            "cost": cost_of(spec, stats.tokens) if spec and stats.tokens else "",
        }
    match view.phase:
        case Waiting(ahead=ahead):
            return {"state": "waiting", "detail": str(ahead)}
        case Loading():
            return {"state": "loading", "detail": ""}
        case Progress(done=done, total=total) if total > 1:
            return {"state": "running", "detail": f"{done}/{total}"}
    return {"state": "running", "detail": ""}


def _outcome_of_words(task: str, request: Any, result: InstructedResult) -> Outcome:
    """What a model that was told in words answered."""
    if task in ("classify", "sentiment"):
        return Labels(result.label)
    if task == "entities":
        return Spans(request.text, [(s.start, s.end, s.label) for s in result.stretches], result.not_in_text)
    return Words(result.text)
