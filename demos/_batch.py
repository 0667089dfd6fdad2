"""Whole files in a tab: a table in, every row answered, figures and the enriched table out.

The panel stands below a tab's frame, folded until wanted. It reads the tab's own fields for everything that is not in
the file: the model, the labels, the languages. Charts are drawn by the browser (see `_batch_view`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.processing_utils import save_bytes_to_cache

from demos._batch_report import write_report
from demos._batch_view import ALL, describe_batch, show_choices, shown_rows
from demos._drawn import drawn_view
from demos._handler import Updates, Wiring, make_stopper
from demos._i18n import LANGUAGES, say
from demos._messages import explain, plain
from demos._model_words import title_in
from demos._status import status_view, told
from demos._stream import View
from demos._workbench import PRIVATE, Workbench
from llm_core.errors import InputError
from llm_core.tasks.batch.columns import guess_columns, guess_truth
from llm_core.tasks.batch.export import enriched_name, to_csv
from llm_core.tasks.batch.run import Batches, BatchResult, BatchTask
from llm_core.tasks.batch.summary import summarise
from llm_core.tasks.batch.table import SUFFIXES, Table, read_table

PREVIEW_ROWS = 5
PREVIEW_CHARS = 120
KEPT_SECONDS = 3600
"""How long a visitor's rows stay in memory for the table's filter, as long as files stay on the disk."""
SAMPLES = Path(__file__).with_name("samples")
_NO_COLUMN = ""


class BatchPanel:
    """Components and events of the panel; made within the tab, after the frame.

    Args:
        bench: The tab's frame.
        settings: Its fields that count for all rows.
        fields_of: Maps their values to fields of the request.
    """

    def __init__(
        self,
        bench: Workbench,
        settings: Sequence[Component] = (),
        fields_of: Callable[..., Mapping[str, Any]] = dict,
    ) -> None:
        self.bench, self.settings, self.fields_of = bench, settings, fields_of
        self.task = BatchTask(bench.task)
        with gr.Accordion(
            bench.ctx.t("batch.title"), open=False, elem_id=f"{bench.name}-batch", elem_classes=["batch-panel"]
        ):
            gr.Markdown(bench.ctx.t("batch.lead"), elem_classes=["note"])
            with gr.Row(equal_height=False):
                self._file_column()
                self._choice_column()
            self._actions()
            self._results()
        self._connect()

    def _file_column(self) -> None:
        ctx, name = self.bench.ctx, self.bench.name
        with gr.Column(min_width=280):
            self.file = gr.File(
                label=ctx.t("batch.file"), file_types=list(SUFFIXES), height=132, elem_id=f"{name}-batch-file"
            )
            sample = SAMPLES / f"{name}.csv"
            self.sample = gr.Button(
                ctx.t("batch.sample"), size="sm", visible=sample.exists(), elem_id=f"{name}-batch-sample"
            )
            self.sample.click(lambda: str(sample), None, self.file, queue=False, **PRIVATE)

    def _choice_column(self) -> None:
        ctx, name, kind = self.bench.ctx, self.bench.name, self.task.kind
        with gr.Column(min_width=280):
            with gr.Row(elem_classes=["pair"]):
                self.columns = [
                    gr.Dropdown([], label=ctx.t(f"batch.column_{field}"), elem_id=f"{name}-batch-{field}")
                    for field in kind.fields
                ]
                self.truth = gr.Dropdown(
                    [(ctx.t("batch.no_column"), _NO_COLUMN)],
                    value=_NO_COLUMN,
                    label=ctx.t(f"batch.truth_{kind.truth or 'label'}"),
                    visible=kind.truth is not None,
                    elem_id=f"{name}-batch-truth",
                )
            self.header = gr.Checkbox(True, label=ctx.t("batch.header"))
            self.found = gr.Markdown("", elem_classes=["verdict"], elem_id=f"{name}-batch-found")

    def _actions(self) -> None:
        ctx, name = self.bench.ctx, self.bench.name
        self.preview = gr.Dataframe(
            label=ctx.t("batch.preview"), interactive=False, visible=False, wrap=True, elem_id=f"{name}-batch-preview"
        )
        self.message = gr.Markdown("", elem_id=f"{name}-batch-message", elem_classes=["problem"])
        with gr.Row(elem_classes=["actions"]):
            self.run = self._button("run", "batch.run", variant="primary", interactive=False)
            self.stop = self._button("stop", "common.stop", variant="stop", interactive=False)
            self.restart = self._button("restart", "batch.restart", variant="secondary", interactive=False)
        self.status = status_view(f"{name}-batch-status")

    def _results(self) -> None:
        ctx, name = self.bench.ctx, self.bench.name
        self.view = drawn_view("batch", f"{name}-batch-view")
        self.files = gr.File(
            label=ctx.t("batch.downloads"),
            file_count="multiple",
            interactive=False,
            visible=False,
            elem_id=f"{name}-batch-downloads",
        )
        self.show = gr.Dropdown(
            [(ctx.t("batch.show_all"), ALL)],
            value=ALL,
            label=ctx.t("batch.show"),
            visible=False,
            elem_id=f"{name}-batch-show",
        )
        self.table = gr.Dataframe(
            label=ctx.t("batch.rows_table"),
            interactive=False,
            visible=False,
            wrap=True,
            show_search="filter",
            max_height=460,
            elem_id=f"{name}-batch-rows",
        )
        self.state = gr.State(None, time_to_live=KEPT_SECONDS)

    def _connect(self) -> None:
        ctx = self.bench.ctx
        wiring = Wiring(
            self.task,
            partial(self._request, fresh=False),
            self._render,
            self.message,
            self.status,
            self.stop,
            usage=None,
            place=None,
            serve=Batches(ctx.engine).run,
        )
        inputs = [self.bench.model, self.file, self.header, self.truth, *self.columns, *self.settings]
        results = [self.view, self.files, self.show, self.table, self.state]
        outputs = [*results, self.run, self.message, self.status, self.stop]
        for button, fresh in ((self.run, False), (self.restart, True)):
            own = replace(wiring, to_request=partial(self._request, fresh=fresh))
            button.click(
                ctx.stream(own, outputs), inputs, outputs, concurrency_limit=None, trigger_mode="once", **PRIVATE
            )
        self.stop.click(make_stopper(wiring), queue=False, **PRIVATE)
        found = [self.found, self.message, self.preview, self.truth, *self.columns, self.run, self.restart]
        emptied = {self.view: "", self.files: gr.File(None, visible=False), self.state: None}
        emptied |= {each: gr.update(visible=False) for each in (self.show, self.table)}
        gr.on(
            [self.file.change, self.header.input],
            lambda path, header: {**self._look(path, header), **emptied},
            [self.file, self.header],
            [*found, *results],
            queue=False,
            **PRIVATE,
        )
        self.show.change(
            lambda result, chosen: gr.update() if result is None else shown_rows(result, chosen),
            [self.state, self.show],
            self.table,
            queue=False,
            **PRIVATE,
        )

    def _button(self, action: str, title: str, **options: Any) -> gr.Button:
        name = f"{self.bench.name}-batch-{action}"
        return gr.Button(self.bench.ctx.t(title), elem_id=name, elem_classes=[action], min_width=80, **options)

    def _look(self, path: str | None, header: bool) -> dict[Any, Any]:
        """What a file has in it: columns to choose from, and the first rows."""
        blank: dict[Any, Any] = {
            self.found: "",
            self.message: "",
            self.preview: gr.update(visible=False),
            self.run: gr.update(interactive=False, value=self.bench.ctx.t("batch.run")),
            self.restart: gr.update(interactive=False),
            self.truth: gr.update(choices=[(self.bench.ctx.t("batch.no_column"), _NO_COLUMN)], value=_NO_COLUMN),
            **{column: gr.update(choices=[], value=None) for column in self.columns},
        }
        if path is None:
            return blank
        try:
            table = read_table(Path(path), header=header)
        except InputError as error:
            return {**blank, self.message: explain(error)}
        guessed = guess_columns(table, self.task.kind)
        truth = guess_truth(table, self.task.kind, guessed.values())
        offered = [(self.bench.ctx.t("batch.no_column"), _NO_COLUMN), *((name, name) for name in table.columns)]
        facts = f"{len(table.rows):,} × {len(table.columns)}" + (f" · {table.written}" if table.written else "")
        return {
            **blank,
            self.found: say("batch.found", plain(facts)),
            self.preview: gr.update(visible=True, value=_preview(table)),
            self.run: gr.update(interactive=True, value=self.bench.ctx.t("batch.run")),
            self.restart: gr.update(interactive=True),
            self.truth: gr.update(choices=offered, value=truth or _NO_COLUMN),
            **{
                column: gr.update(choices=list(table.columns), value=guess)
                for column, guess in zip(self.columns, guessed.values(), strict=True)
            },
        }

    def _request(
        self, path: str | None, header: bool, truth: str | None, *values: Any, fresh: bool
    ) -> Mapping[str, Any]:
        """Fields of the request.

        Raises:
            InputError: There is no file, or it cannot be used.
        """
        if path is None:
            raise InputError("document", "must not be empty")
        chosen, settings = values[: len(self.columns)], values[len(self.columns) :]
        return {
            "table": read_table(Path(path), header=header),
            "columns": {field: str(column) for field, column in zip(self.task.kind.fields, chosen, strict=True)},
            "truth": truth or None,
            "fresh": fresh,
            "fields": {name: value for name, value in self.fields_of(*settings).items() if value is not None},
        }

    def _render(self, view: View, *_: Any) -> Updates:
        result: BatchResult = view.result
        if view.stats is None:
            return {self.view: describe_batch(result)}
        summary = summarise(result)
        complete = result.done == result.total
        updates: dict[Any, Any] = {
            self.view: describe_batch(result, summary),
            self.state: result,
            self.run: gr.update(value=self.bench.ctx.t("batch.run" if complete else "batch.resume")),
        }
        if not complete:
            updates[self.status] = told("status.stopped")
        if not result.done:
            return updates
        ctx = self.bench.ctx
        folder = self.files.GRADIO_CACHE
        files = [save_bytes_to_cache(to_csv(result), enriched_name(result), folder)]
        for language in LANGUAGES:
            titles = [title_in(language, model_id, ctx.title_of(model_id)) for model_id in summary.models]
            page = write_report(result, summary, " · ".join(titles), language)
            files.append(save_bytes_to_cache(page, enriched_name(result, f".{language}.html"), folder))
        updates |= {
            self.files: gr.File(files, visible=True),
            self.show: gr.update(choices=show_choices(result, summary), value=ALL, visible=True),
            self.table: shown_rows(result, ALL),
        }
        return updates


def _preview(table: Table) -> dict[str, Any]:
    rows = [[cell[:PREVIEW_CHARS] for cell in row] for row in table.rows[:PREVIEW_ROWS]]
    return {"headers": list(table.columns), "data": rows}
