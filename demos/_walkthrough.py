"""The worked example, step by step: explanation, formula, and every number; a view of *Under the hood*."""

from __future__ import annotations

import functools
from typing import Any

import gradio as gr

from demos._demo import DemoContext
from demos._drawn import drawn_view, encoded
from demos._messages import explain
from demos._workbench import PRIVATE
from llm_core.errors import InputError
from llm_core.walkthrough import Step, walk
from llm_core.walkthrough.words import STEPS

LANGUAGES = {"English": "en", "中文": "zh"}
_MAX_CHARS = 100
_FORMULA: list[dict[str, str | bool]] = [{"left": "$$", "right": "$$", "display": True}]
_BROWSERS_LANGUAGE = """(chosen) => {
    const first = !document.body.dataset.walked;
    document.body.dataset.walked = "yes";
    return first ? (navigator.language.startsWith("zh") ? "zh" : "en") : chosen;
}"""


def build_walkthrough(ctx: DemoContext, tab: gr.Tab) -> None:
    """The view, inside `tab`; the tiny model is trained when a visitor first opens it."""
    gr.Markdown(ctx.t("numbers.about"), elem_classes=["lead"])
    with gr.Row():
        language = gr.Radio(list(LANGUAGES.items()), value="en", label=ctx.t("numbers.language"), min_width=160)
        sentence = gr.Textbox(
            "", max_lines=1, label=ctx.t("numbers.sentence"), info=ctx.t("numbers.sentence_info"),
            placeholder="she likes drinking tea / 她 喜欢 喝 茶", elem_id="hood-walk-sentence",
        )  # fmt: skip
    message = gr.Markdown("", elem_classes=["problem"])
    step = gr.Slider(1, len(STEPS), 1, step=1, label=ctx.t("numbers.step"), elem_id="hood-walk-step")
    words = gr.Markdown("", latex_delimiters=_FORMULA, elem_id="hood-walk-words")
    numbers = drawn_view("numbers", "hood-walk-numbers")
    inputs, outputs = [language, sentence, step], [message, words, numbers]
    opened = tab.select(None, language, language, js=_BROWSERS_LANGUAGE, **PRIVATE)
    opened.then(show_step, inputs, outputs, queue=False, **PRIVATE)
    for event in (language.change, sentence.submit, step.change):
        event(show_step, inputs, outputs, queue=False, **PRIVATE)


def show_step(language: Any, sentence: Any, number: Any) -> tuple[Any, Any, Any]:
    """Message, words and numbers of a step; what was there stays when the sentence cannot be walked through."""
    try:
        language = _one_of(language, LANGUAGES.values())
        steps = _steps(_checked(sentence) or language)
        step = steps[_one_of(number, range(1, len(steps) + 1)) - 1]
    except InputError as error:
        return explain(error), gr.skip(), gr.skip()
    title, explanation = step.title[language], step.explanation[language]
    formula = f"$$\n{step.formula}\n$$"
    return "", f"### {number}. {title}\n\n{explanation}\n\n{formula}", describe_numbers(step)


def describe_numbers(step: Step) -> str:
    """Value of the view of a step's tensors."""
    tables = [
        {"name": _plain(name), "rows": table.rows, "columns": table.columns, "values": table.values}
        for name, table in step.tensors.items()
    ]
    return encoded({"tables": tables})


@functools.lru_cache(maxsize=64)
def _steps(sentence: str) -> tuple[Step, ...]:
    return walk(sentence)


def _checked(sentence: Any) -> str:
    if not isinstance(sentence, str) or len(sentence) > _MAX_CHARS:
        raise InputError("sentence", f"must have at most {_MAX_CHARS} characters")
    return " ".join(sentence.split())


def _one_of(value: Any, known: Any) -> Any:
    if value not in known:
        raise InputError("step", f"must be one of {', '.join(map(str, known))}")
    return value


def _plain(latex: str) -> str:
    """A tensor's name without LaTeX; a subscript follows an underscore."""
    return latex.replace(r"\bar\ell", "mean ℓ").replace(r"\ell", "ℓ")
