"""Question answering: the place in a passage or document that answers a question, or an honest "not in the text"."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import gradio as gr

from demos._api import Record, serve
from demos._batch import BatchPanel
from demos._compare import ComparePanel
from demos._demo import Demo, DemoContext
from demos._dial import describe_answer_dial, dial_view
from demos._explain import ExplainPanel
from demos._handler import Updates
from demos._i18n import say
from demos._messages import explain
from demos._stream import View
from demos._stress import StressPanel
from demos._workbench import PRIVATE, Workbench
from llm_core.errors import InputError
from llm_core.tasks.answer import TASK, AnswerResult
from llm_core.tasks.documents import read_document

SHOWN_CHARS = 700
"""Of a long text, how much is shown on either side of the answer."""
FILE_TYPES = [".txt", ".md", ".pdf", ".docx"]

BRIDGE = (
    "The Golden Gate Bridge spans the strait between San Francisco and Marin County. Construction began on January 5, "
    "1933, under chief engineer Joseph Strauss, and the bridge opened to the public on May 27, 1937. At that time its "
    "main span of 1,280 metres was the longest in the world. Its colour, called international orange, was chosen by "
    "the architect Irving Morrow because it stands out in fog."
)
POLICY = (
    "Employees accrue 25 days of paid leave a year. Up to five unused days may be carried over until the end of March; "
    "after that they lapse. Leave of more than ten consecutive days has to be agreed with the line manager at least "
    "six weeks in advance. Sick leave is not deducted from annual leave if a doctor's note follows within three days."
)
CITY = "故宫位于北京市中心，始建于明朝永乐四年，即1406年，1420年基本竣工，是中国明清两代的皇家宫殿。"
EXAMPLES = {
    "When did it open?": ("When did the bridge open to the public?", BRIDGE),
    "Who chose the colour?": ("Who chose the colour of the bridge?", BRIDGE),
    "Not in the text": ("How much is the toll for a car?", BRIDGE),
    "Company policy": ("How long before must a long leave be agreed?", POLICY),
    "故宫": ("故宫是哪一年开始建造的？", CITY),
}


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    bench = Workbench(ctx, DEMO.slug, TASK)
    with bench.frame():
        with bench.fields():
            question = gr.Textbox(
                lines=1, max_lines=3, label=ctx.t("answer.question"), placeholder=ctx.t("answer.question_placeholder")
            )
            context = gr.Textbox(
                lines=9, max_lines=9, label=ctx.t("answer.context"), placeholder=ctx.t("answer.context_placeholder")
            )
            upload = gr.UploadButton(
                say("answer.upload"),
                file_types=FILE_TYPES,
                size="sm",
                elem_id="answer-upload",
            )
        with bench.results():
            answer = gr.Textbox(
                lines=1,
                max_lines=4,
                label=ctx.t("answer.result"),
                interactive=False,
                elem_id="answer-result",
                buttons=["copy"],
            )
            verdict = gr.Markdown("", elem_classes=["verdict"])
            passage = gr.HighlightedText(
                label=ctx.t("answer.passage"),
                color_map={"answer": "#0d9488"},
                show_inline_category=False,
                elem_classes=["wrapped", "steady"],
            )
        with bench.details():
            dial = dial_view("answer-dial")
            why = ExplainPanel(bench)
            stress = StressPanel(bench)
        bench.examples(list(EXAMPLES.values()), [question, context], list(EXAMPLES))
        compare = ComparePanel(bench)

    def render(view: View, question: str, context: str) -> Updates:
        result = view.result
        sure = describe_answer_dial(ctx, view.stats.model_id, result) if view.stats else ""
        return {
            dial: sure,
            answer: result.answer,
            verdict: describe(result),
            passage: mark_answer(context, result),
            why.view: "",
            stress.view: "",
        }

    def to_request(question: str, context: str) -> dict[str, str]:
        return {"question": question, "context": context}

    bench.connect(
        inputs=[question, context],
        outputs=[answer, verdict, passage, dial, why.view, stress.view],
        to_request=to_request,
        render=render,
        submit=[question.submit],
    )
    why.connect([question, context], lambda question, context: {"question": question, "text": context})
    stress.connect([question, context], to_request)
    compare.connect([question, context], to_request)
    upload.upload(_read_upload, upload, [context, bench.message], queue=False, **PRIVATE)
    BatchPanel(bench)


def describe(result: AnswerResult) -> str:
    """Whether the text answers the question, and how sure that is."""
    return say("answer.found" if result.answer else "answer.missing", f"{result.score:.0%}")


def mark_answer(context: str, result: AnswerResult) -> list[tuple[str, str | None]] | None:
    """The answer in what surrounds it; nothing when there is none."""
    if not result.answer:
        return None
    first, last = max(0, result.start - SHOWN_CHARS), min(len(context), result.end + SHOWN_CHARS)
    before = ("…" if first else "") + context[first : result.start]
    after = context[result.end : last] + ("…" if last < len(context) else "")
    return [(before, None), (context[result.start : result.end], "answer"), (after, None)]


def _read_upload(path: str | None) -> tuple[Any, str]:
    """The document's text for the passage field, or what is wrong with it; the field then keeps what it had."""
    if path is None:
        return gr.skip(), ""
    try:
        return read_document(Path(path)).text, ""
    except InputError as error:
        return gr.skip(), explain(error)


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def answer(
        question: str, context: str, model: str = "auto", request: gr.Request | None = None
    ) -> AsyncGenerator[Record, None]:
        """Find the words of a text that answer a question, or say that it does not.

        Args:
            question: What to find out; at most 300 characters.
            context: The passage or document to search; at most 400,000 characters.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with answer (empty when it is not in the text), start, end, score, model and seconds.
        """
        async for record in serve(ctx, TASK, {"question": question, "context": context}, model, request):
            yield record

    return answer


DEMO = Demo(slug="answer", order=40, icon="❝", task=TASK, build=build, endpoint=endpoint)
