"""A classifier of the visitor's own: labelled texts in, curves while it learns, before and after, and the model out."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import functools
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
from gradio.blocks import Block
from pydantic import BeforeValidator, Field

from demos._api import Record, chosen_model, given
from demos._demo import Demo, DemoContext
from demos._handler import Updates, Wiring, cleared, client_of, make_clearer, make_stopper
from demos._i18n import say
from demos._labels import describe_labels, labels_view
from demos._messages import explain, plain
from demos._model_words import titled
from demos._models import size_of
from demos._status import status_view, told
from demos._stream import View, follow
from demos._train_view import describe_training, train_view
from demos._workbench import PRIVATE
from llm_core.errors import InputError, LlmCoreError
from llm_core.limits import Text
from llm_core.selection import AUTO
from llm_core.tasks.base import Request, tuple_of
from llm_core.tasks.batch.columns import different, guess_columns, guess_truth
from llm_core.tasks.batch.kinds import kind_of
from llm_core.tasks.batch.table import Table, read_table
from llm_core.tasks.classify import OWN_LABEL_SET, ClassifyRequest
from llm_core.tasks.classify import TASK as CLASSIFY
from llm_core.tasks.few_shot import parse_examples
from llm_core.tasks.train.publish import Publisher, PublishTask, write_zip
from llm_core.tasks.train.request import DEFAULT_TUNING, TrainRequest, TrainTask, bases
from llm_core.tasks.train.run import TrainResult
from llm_core.training.jobs.examples import MAX_ROWS
from llm_core.training.jobs.job import NAME, TUNINGS

SAMPLES = {language: Path(__file__).with_name("samples") / f"train-{language}.csv" for language in ("en", "zh")}
FILE_KINDS = [".csv", ".tsv", ".xlsx", ".jsonl"]
MAX_TEXTS = 200
"""Which an endpoint labels with the model that it trained."""
_TASK, _RESUMED = TrainTask(), TrainTask(resumes=True)


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    TrainTab(ctx)


class TrainTab:
    """Components and events.

    Args:
        ctx: What the tab is built with.
    """

    def __init__(self, ctx: DemoContext) -> None:
        self.ctx = ctx
        with gr.Row(elem_id=DEMO.slug, elem_classes=["workbench"]):
            with gr.Column(elem_classes=["fields"], min_width=280):
                self._rows()
                self._choices()
                self._actions()
            with gr.Column(elem_classes=["results"], min_width=280):
                self.view = train_view("train-view")
                self.status = status_view("train-status")
            self._use()
        self._connect_rows()
        self._connect()

    def _rows(self) -> None:
        t = self.ctx.t
        with gr.Row(elem_classes=["samples"]):
            self.samples = {
                language: gr.Button(t(f"train.sample_{language}"), size="sm", elem_id=f"train-sample-{language}")
                for language in SAMPLES
            }
        self.examples = gr.Textbox(
            lines=8, max_lines=14, label=t("train.examples"), placeholder=t("train.examples_placeholder"),
            elem_id="train-examples",
        )  # fmt: skip
        gr.Markdown(t("train.limits"), elem_classes=["note"])
        with gr.Accordion(t("train.upload"), open=False, elem_id="train-upload"):
            self.file = gr.File(label=t("train.file"), file_types=FILE_KINDS, height=120, elem_id="train-file")
            with gr.Row(elem_classes=["pair"]):
                self.columns = [
                    gr.Dropdown([], label=t(f"train.column_{name}"), elem_id=f"train-column-{name}", filterable=False)
                    for name in ("text", "label")
                ]
            self.found = gr.Markdown("", elem_classes=["verdict"], elem_id="train-found")

    def _choices(self) -> None:
        ctx = self.ctx
        choices = [
            (f"{titled(spec.id, spec.title)} · {size_of(spec)} · {', '.join(spec.languages)}", spec.id)
            for spec in bases(ctx.catalog)
        ]
        self.base = gr.Dropdown(
            [(ctx.t("model.auto"), AUTO), *choices], value=AUTO, label=ctx.t("train.base"), elem_id="train-model",
            filterable=False,
        )  # fmt: skip
        self.tuning = gr.Radio(
            [(ctx.t(f"train.tuning_{name}"), name) for name in TUNINGS], value=DEFAULT_TUNING,
            label=ctx.t("train.tuning"), elem_id="train-tuning", elem_classes=["train-options"],
        )  # fmt: skip

    def _actions(self) -> None:
        self.message = gr.Markdown("", elem_id="train-message", elem_classes=["problem"])
        with gr.Row(elem_classes=["actions"]):
            self.run = self._button("run", "train.start", variant="primary")
            self.stop = self._button("stop", "common.stop", variant="stop", interactive=False)
            self.resume = self._button("resume", "train.resume", interactive=False)
            self.clear = self._button("clear", "common.clear")

    def _use(self) -> None:
        t = self.ctx.t
        with gr.Column(visible=False, elem_id="train-use", elem_classes=["examples"], min_width=280) as self.use:
            gr.Markdown(t("train.use"))
            gr.Markdown(t("train.use_hint"), elem_classes=["note"])
            self.text = gr.Textbox(label=t("train.try_text"), lines=2, max_lines=6, elem_id="train-text")
            self.try_it = gr.Button(t("train.try"), elem_id="train-try")
            self.bars = labels_view("train-answer")
            self.download = gr.File(label=t("train.download"), interactive=False, elem_id="train-download")
            with gr.Accordion(t("train.hub"), open=False, elem_id="train-hub"):
                gr.Markdown(t("train.hub_hint"), elem_classes=["note"])
                with gr.Row(elem_classes=["pair"]):
                    self.repository = gr.Textbox(label=t("train.hub_repo"), max_lines=1, elem_id="train-repository")
                    self.token = gr.Textbox(
                        label=t("train.hub_token"), type="password", max_lines=1, elem_id="train-token"
                    )
                self.private = gr.Checkbox(True, label=t("train.hub_private"))
                self.push = gr.Button(t("train.hub_push"), elem_id="train-push")
                self.pushed = gr.Markdown("", elem_id="train-pushed", elem_classes=["verdict"])

    def _connect_rows(self) -> None:
        for language, button in self.samples.items():
            button.click(functools.partial(_sample, language), None, self.examples, queue=False, **PRIVATE)
        filled = [*self.columns, self.examples, self.found, self.message]
        self.file.change(_filled, self.file, filled, queue=False, **PRIVATE)
        for column in self.columns:
            column.input(_filled_from, [self.file, *self.columns], filled[2:], queue=False, **PRIVATE)

    def _connect(self) -> None:
        ctx = self.ctx
        shared = [self.message, self.status, self.stop]
        trained = [self.view, self.use, self.download, self.bars, self.resume]
        start = Wiring(
            _TASK, _request, self._render, self.message, self.status, self.stop, usage=None, place=None,
            serve=ctx.trainings.run,
        )  # fmt: skip
        resume = replace(start, task=_RESUMED, to_request=lambda: {"resume": True})
        classify = replace(start, task=CLASSIFY, to_request=_own_request, render=self._answered, serve=None)
        publisher = Publisher(ctx.trainings, ctx.settings.hub_endpoint)
        publish = replace(
            start, task=PublishTask(), to_request=_publish_request, render=self._published, serve=publisher.run
        )
        options: dict[str, Any] = {"concurrency_limit": None, "trigger_mode": "once", **PRIVATE}
        any_model = gr.State(AUTO)
        ctx.restorable.append((DEMO.slug, (self.base, self.examples, self.tuning)))

        def on(triggers: Sequence[Any], wiring: Wiring, inputs: Sequence[Any], own: Sequence[Block]) -> None:
            outputs = [*own, *shared]
            gr.on(triggers, ctx.stream(wiring, outputs), inputs, outputs, **options)

        on([self.run.click], start, [self.base, self.examples, self.tuning], trained)
        on([self.resume.click], resume, [any_model], trained)
        on([self.try_it.click, self.text.submit], classify, [any_model, self.text], [self.bars])
        on(
            [self.push.click],
            publish,
            [any_model, self.repository, self.token, self.private],
            [self.pushed, self.token],
        )
        self.stop.click(make_stopper(start), queue=False, **PRIVATE)
        written = (self.examples, self.found, self.text, self.pushed, self.token)

        def left() -> Updates:
            blank: dict[Any, Any] = {each: "" for each in written}
            return {**blank, self.file: None, **self._unused(), self.view: "", **cleared(start)}

        clear = make_clearer(start, left)

        async def clear_all(request: gr.Request) -> Updates:
            shown = await clear(request)
            ctx.trainings.drop(client_of(request))
            return shown

        self.clear.click(clear_all, outputs=[*left()], concurrency_limit=None, **PRIVATE)

    def _unused(self) -> dict[Any, Any]:
        """Nothing to use yet."""
        hidden = {self.use: gr.update(visible=False), self.resume: gr.update(interactive=False)}
        return {**hidden, self.download: None, self.bars: ""}

    def _render(self, view: View, *_: Any) -> Updates:
        result: TrainResult = view.result
        updates = {**(self._unused() if view.shown == 0 else {}), self.view: describe_training(result)}
        if view.stats is None:
            return updates
        if result.state.phase == "stopped":
            stopped = {self.resume: gr.update(interactive=True), self.status: told("status.stopped")}
            return {**updates, **self._unused(), **stopped}
        assert result.folder is not None
        folder = Path(self.download.GRADIO_CACHE) / secrets.token_hex(16)
        folder.mkdir(parents=True)
        write_zip(result.folder, folder / f"{NAME}.zip")
        return {**updates, self.use: gr.update(visible=True), self.download: str(folder / f"{NAME}.zip")}

    def _answered(self, view: View, *_: Any) -> Updates:
        return {self.bars: describe_labels(view.result.scores, own=True)}

    def _published(self, view: View, *_: Any) -> Updates:
        return {self.pushed: say("train.hub_done", plain(view.result)), self.token: ""}

    def _button(self, action: str, title: str, **options: Any) -> gr.Button:
        return gr.Button(
            self.ctx.t(title), elem_id=f"train-{action}", elem_classes=[action], min_width=70, **options
        )  # fmt: skip


def _request(examples: str, tuning: str) -> Mapping[str, Any]:
    if not examples.strip():
        raise InputError("examples", "must not be empty")
    return {"examples": parse_examples(examples, MAX_ROWS), "tuning": tuning}


def _own_request(text: str) -> Mapping[str, Any]:
    return {"text": text, "label_set": OWN_LABEL_SET}


def _publish_request(repository: str, token: str, private: bool) -> Mapping[str, Any]:
    return {"repository": repository, "token": token, "private": private}


def _sample(language: str) -> str:
    with SAMPLES[language].open(encoding="utf-8", newline="") as stream:
        return _lines([(row["text"], row["label"]) for row in csv.DictReader(stream)])


def _lines(pairs: list[tuple[str, str]]) -> str:
    """Rows as they stand in the box: a tab between text and label, and none in them."""
    return "\n".join("\t".join(" ".join(cell.split()) for cell in pair) for pair in pairs)


def _filled(path: str | None) -> tuple[Any, ...]:
    """What a new file has in it: column menus, rows, a line about them, a message."""
    blank = gr.update(choices=[], value=None)
    if path is None:
        return blank, blank, gr.skip(), "", ""
    try:
        table = read_table(Path(path))
        kind = kind_of("classify")
        text = guess_columns(table, kind)["text"]
        label = guess_truth(table, kind, [text]) or _fewest_values(table, text)
        menus = [gr.update(choices=list(table.columns), value=value) for value in (text, label)]
        return *menus, *_rows_of(table, text, label), ""
    except InputError as error:
        return blank, blank, gr.skip(), "", explain(error)


def _fewest_values(table: Table, text: str) -> str:
    """The column that looks most like labels: of those with more than one value, the one with the fewest."""
    counts = {name: len(different(table, name)) for name in table.columns if name != text}
    varied = {name: count for name, count in counts.items() if count > 1}
    return min(varied or counts or [text], key=lambda name: counts.get(name, 0))


def _filled_from(path: str | None, text: str | None, label: str | None) -> tuple[Any, ...]:
    """The rows again, from other columns."""
    if path is None or not text or not label:
        return gr.skip(), "", ""
    try:
        return *_rows_of(read_table(Path(path)), text, label), ""
    except InputError as error:
        return gr.skip(), "", explain(error)


def _rows_of(table: Table, text: str, label: str) -> tuple[str, str]:
    places = table.column(text), table.column(label)
    if places[0] == places[1]:
        raise InputError("column", "must be another one for the label than for the text", text)
    pairs = [(row[places[0]], row[places[1]]) for row in table.rows]
    kept = [pair for pair in pairs if all(cell.strip() for cell in pair)]
    if len(kept) > MAX_ROWS:
        raise InputError("document", f"is limited to {MAX_ROWS:,} rows here, it has {len(kept):,}")
    return _lines(kept), say("train.found", f"{len(kept):,}")


class _Unlabelled(Request):
    texts: Annotated[tuple[Text, ...], BeforeValidator(tuple_of), Field(max_length=MAX_TEXTS)] = ()


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def train(
        examples: list[list[str]],
        texts: list[str] | None = None,
        tuning: str = DEFAULT_TUNING,
        model: str = AUTO,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Train a text classifier on labelled examples, measure it on a quarter of them, and label further texts.

        Args:
            examples: Pairs of text and label: 4 texts a label at least, 2 to 20 labels, up to 2,000 pairs.
            texts: Texts to label with what was trained; up to 200.
            tuning: What is trained: linear_probe (a new last layer), lora, or full (every weight).
            model: Catalogue id of the model to begin with; auto takes one that reads the examples.

        Returns:
            A record with labels, rows, accuracy_before, scores, confusion, mistakes and predictions (label and
            probabilities of each text). The model is deleted.
        """
        owner = f"call-{secrets.token_hex(16)}"
        try:
            parsed = TrainRequest.parse({"examples": examples, "tuning": tuning})
            unlabelled = _Unlabelled.parse(given(texts=texts))
            asked = [ClassifyRequest.parse(_own_request(text)) for text in unlabelled.texts]
            model_id = chosen_model(model)
            run = functools.partial(
                ctx.trainings.run, _TASK, parsed, model_id=model_id, client=client_of(request), owner=owner
            )
            async with contextlib.aclosing(follow(run)) as views:
                async for view in views:
                    if view.stats is None and view.result is not None:
                        yield {"step": view.result.state.step, "steps": view.result.state.steps}
            answer = functools.partial(ctx.engine.run_many, CLASSIFY, asked, client=owner)
            found = await asyncio.to_thread(answer) if asked else []
            yield {**view.result.record(), "predictions": [{"label": one.label, "scores": one.scores} for one in found]}
        except LlmCoreError as error:
            raise gr.Error(str(error), print_exception=False) from error
        finally:
            ctx.trainings.drop(owner)

    return train


DEMO = Demo(slug="train", order=70, icon="✦", task=None, build=build, endpoint=endpoint)
