"""Text classification: into ready labels, labels the visitor makes up, or by examples the visitor gives."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import gradio as gr

from demos._api import Record, serve
from demos._batch import BatchPanel
from demos._compare import ComparePanel, Plan
from demos._demo import Demo, DemoContext
from demos._dial import describe_dial, dial_view
from demos._explain import ExplainPanel
from demos._handler import Updates
from demos._i18n import say, strings
from demos._labels import describe_labels, has_own_labels, labels_view
from demos._models import own_note
from demos._stream import View
from demos._stress import StressPanel
from demos._workbench import PRIVATE, Workbench
from llm_core.catalog import ModelSpec
from llm_core.errors import InputError
from llm_core.tasks.classify import DEFAULT_LABEL_SETS, OWN_LABEL_HEADS, OWN_LABEL_SET, TASK, ClassifyResult, label_sets
from llm_core.tasks.few_shot import parse_examples
from llm_core.tasks.language import reads

DEFAULT_LABEL_SET = DEFAULT_LABEL_SETS[0]
READY, OWN_LABELS, OWN_EXAMPLES, OWN_MODEL = "ready", "labels", "examples", "model"
MODES = (READY, OWN_LABELS, OWN_EXAMPLES, OWN_MODEL)

SUPPORT = (
    "My parcel never came | delivery\nWhere is my order? | delivery\nThe courier left it in the rain | delivery\n"
    "I was charged twice | billing\nPlease refund the invoice | billing\nThe amount on my card is wrong | billing\n"
    "The app crashes when I log in | technical\nI cannot reset my password | technical"
)
EXAMPLES = {
    "News": (
        READY,
        DEFAULT_LABEL_SET,
        "",
        "",
        "The central bank left interest rates unchanged on Thursday, and shares in Frankfurt closed slightly higher.",
    ),
    "Chinese news": (
        READY,
        DEFAULT_LABEL_SET,
        "",
        "",
        "女排三比零横扫对手，提前一轮锁定小组第一",
    ),
    "Text message": (
        READY,
        "spam",
        "",
        "",
        "WINNER!! You have been selected for a prize of 900 pounds. Call 09061701461 now!",
    ),
    "Encyclopedia": (
        READY,
        "dbpedia14",
        "",
        "",
        "The Aurora is a steam locomotive built in 1848 for the Bavarian railways.",
    ),
    "Post": (
        READY,
        "emotion",
        "",
        "",
        "Three weeks of rehearsals, and tonight the whole hall was on its feet. I could cry, I'm so happy for them!",
    ),
    "Question": (
        READY,
        "trec",
        "",
        "",
        "How many people live in the capital of Kenya?",
    ),
    "My own labels": (
        OWN_LABELS,
        DEFAULT_LABEL_SET,
        "cooking, travel, personal finance, gardening",
        "",
        "Water the tomatoes in the morning and pinch out the side shoots once a week.",
    ),
    "My own examples": (
        OWN_EXAMPLES,
        DEFAULT_LABEL_SET,
        "",
        SUPPORT,
        "The courier says it was delivered, but nothing is here",
    ),
}


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    bench = Workbench(ctx, DEMO.slug, TASK)
    sets = ready_sets(ctx)
    with bench.frame():
        with bench.fields():
            mode = gr.Radio(
                [(ctx.t(f"classify.mode_{name}"), name) for name in MODES], value=READY, label=ctx.t("classify.mode")
            )
            label_set = gr.Dropdown(
                [(_set_title(ctx, name), name) for name in sets],
                value=DEFAULT_LABEL_SET,
                label=ctx.t("classify.label_set"),
                filterable=False,
            )
            labels = gr.Textbox(
                label=ctx.t("classify.labels"), placeholder=ctx.t("classify.labels_placeholder"), visible=False
            )
            examples = gr.Textbox(
                lines=6, max_lines=12, label=ctx.t("classify.own_examples"),
                placeholder=ctx.t("classify.own_examples_placeholder"), visible=False,
            )  # fmt: skip
            text = gr.Textbox(
                lines=5, max_lines=14, label=ctx.t("common.text"), placeholder=ctx.t("common.text_placeholder")
            )
            bench.narrow([mode, label_set], lambda mode, label_set: serving(ctx, mode, label_set), _note_of)
        with bench.results():
            bars = labels_view("classify-labels", "tall")
            remark = gr.Markdown("", elem_classes=["verdict"])
        with bench.details():
            dial = dial_view("classify-dial")
            explain = ExplainPanel(bench)
            stress = StressPanel(bench)
        samples = [sample for sample in EXAMPLES.items() if sample[1][1] in sets]
        bench.examples(
            [sample for _, sample in samples], [mode, label_set, labels, examples, text], [name for name, _ in samples]
        )
        compare = ComparePanel(
            bench,
            [f"label_set={name}" for name in sets],
            also=lambda mode, label_set: serving(ctx, OWN_LABELS, label_set),
            adapt=lambda spec, fields: asked_of(ctx, spec, fields),
        )

    def render(view: View, mode: str, *values: Any) -> Updates:
        sure = describe_dial(ctx, view.stats.model_id, view.result.scores) if view.stats else ""
        emptied: Updates = {explain.view: "", stress.view: ""}
        bars_of = describe_labels(view.result.scores, own=mode != READY)
        return {bars: bars_of, remark: describe(view.result), dial: sure, **emptied}

    fields = [mode, label_set, labels, examples, text]
    outputs = [bars, remark, dial, explain.view, stress.view]
    bench.connect(inputs=fields, outputs=outputs, to_request=to_request, render=render, submit=[labels.submit])
    explain.connect(fields, to_explain)
    stress.connect(fields, to_request)
    compare.connect(fields, to_request, own_labels=has_own_labels)
    BatchPanel(bench, [mode, label_set, labels, examples], label_fields)
    mode.change(_fields_of, mode, [label_set, labels, examples, explain.button], queue=False, **PRIVATE)


def ready_sets(ctx: DemoContext) -> list[str]:
    """Names of the ready label sets, news topics once; these also when no model for them is there yet."""
    others = [name for name in label_sets(ctx.catalog) if name not in DEFAULT_LABEL_SETS]
    return [DEFAULT_LABEL_SET, *others]


def serving(ctx: DemoContext, mode: str, label_set: str) -> tuple[ModelSpec, ...]:
    """Entries for the model menu: those trained for the label set, or those that take own labels or examples; none for
    the visitor's own."""
    specs = ctx.catalog.for_task(TASK.name) if mode != OWN_MODEL else ()
    if mode == READY:
        names = DEFAULT_LABEL_SETS if label_set == DEFAULT_LABEL_SET else (label_set,)
        return tuple(spec for spec in specs if spec.label_set in names)
    heads = OWN_LABEL_HEADS if mode == OWN_LABELS else ("embedding",)
    return tuple(spec for spec in specs if spec.head in heads)


def _note_of(mode: str, _: str) -> str:
    return own_note() if mode == OWN_MODEL else ""


def _set_title(ctx: DemoContext, name: str) -> Any:
    """What visitors call a label set; one without a translation goes by its name."""
    key = f"classify.set_{name}"
    return ctx.t(key) if key in strings("en") else name


def _fields_of(mode: str) -> tuple[Any, ...]:
    """The fields of each mode, and what explains: only what was trained for its labels is explained."""
    return tuple(gr.update(visible=mode == own) for own in (READY, OWN_LABELS, OWN_EXAMPLES, READY))


def to_request(mode: str, label_set: str, labels: str, examples: str, text: str) -> Mapping[str, Any]:
    """Fields of the request."""
    return {"text": text, **label_fields(mode, label_set, labels, examples)}


def label_fields(mode: str, label_set: str, labels: str, examples: str) -> Mapping[str, Any]:
    """What to sort into: the field of the chosen mode only."""
    if mode == OWN_LABELS:
        return {"labels": split_labels(labels)}
    if mode == OWN_EXAMPLES:
        return {"examples": parse_examples(examples)}
    return {"label_set": OWN_LABEL_SET if mode == OWN_MODEL else label_set}


def to_explain(mode: str, label_set: str, labels: str, examples: str, text: str) -> Mapping[str, Any]:
    """Fields of the request that explains.

    Raises:
        InputError: The labels are the visitor's own.
    """
    if mode != READY:
        raise InputError("mode", "must be ready labels: only what was trained for its labels is explained")
    return {"text": text, "label_set": label_set}


def asked_of(ctx: DemoContext, spec: ModelSpec | None, fields: Mapping[str, Any]) -> Plan:
    """How a column of a comparison asks: a model without labels of its own gets those of the label set, of news topics
    those in the text's language."""
    name = fields.get("label_set")
    if name is None:
        return TASK, fields
    if spec is None or spec.label_set:
        return TASK, {"text": fields["text"], "label_set": name}
    trained = sorted(serving(ctx, READY, name), key=lambda each: not reads(each, fields["text"]))
    return TASK, {"text": fields["text"], "labels": list(trained[0].labels) if trained else []}


def split_labels(written: str) -> list[str]:
    """Labels between commas (Chinese ones too), semicolons or line ends."""
    return [label.strip() for label in re.split(r"[,，、;；\n]", written) if label.strip()]


def describe(result: ClassifyResult) -> str:
    """For a classifier trained on the visitor's examples: how long that took and how well it does."""
    if result.training_seconds is None:
        return ""
    seconds = f"{result.training_seconds * 1000:.0f} ms"
    if result.left_out_accuracy is None:
        return say("classify.trained", seconds)
    return say("classify.trained_accuracy", f"{result.left_out_accuracy:.0%} ({seconds})")


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def classify(
        text: str,
        labels: list[str] | None = None,
        label_set: str | None = None,
        examples: list[list[str]] | None = None,
        model: str = "auto",
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Sort a text into labels, with a probability for each; news topics unless other labels are given.

        Args:
            text: What to classify; at most 20,000 characters.
            labels: Labels of your own to choose from, at least two.
            label_set: Name of a ready label set instead: ag_news and thucnews (English and Chinese news), dbpedia14,
                trec (kinds of questions), emotion, offensive or spam.
            examples: Pairs of text and label that teach labels of your own instead.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with label, scores (probability by label), model and seconds.
        """
        fields = {"text": text, "labels": labels, "label_set": label_set, "examples": examples}
        async for record in serve(ctx, TASK, fields, model, request):
            yield record

    return classify


DEMO = Demo(slug="classify", order=10, icon="▤", task=TASK, build=build, endpoint=endpoint)
