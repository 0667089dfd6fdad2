"""Chinese verse: a form, a subject, a first line or an acrostic in; the poem out, written downwards if wanted.

A view of the tab *Text generation*.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import gradio as gr

from demos._api import Record, serve
from demos._compare import ComparePanel
from demos._demo import Demo, DemoContext
from demos._drawn import drawn_view, encoded
from demos._handler import Updates
from demos._seed import seed_field, seed_of
from demos._stream import View
from demos._workbench import PRIVATE, Workbench
from llm_core.data.prosody import Sound
from llm_core.data.verse_forms import TUNE, verse_forms
from llm_core.tasks.poem import TASK, PoemResult

REGULATED = tuple(name for name, form in verse_forms().items() if form.regulated)
TUNES = tuple(name for name, form in verse_forms().items() if not form.regulated)
EXAMPLES = {
    "秋夜": ("七绝", TUNES[0], "秋夜", "", ""),
    "登楼": ("五律", TUNES[0], "登楼", "", ""),
    "藏头：春夏秋冬": ("七绝", TUNES[0], "四时", "", "春夏秋冬"),
    "首句": ("五绝", TUNES[0], "江行", "江水入云流", ""),
    "词：浣溪沙": (TUNE, "浣溪沙", "", "", ""),
    "词：菩萨蛮": (TUNE, "菩萨蛮", "", "", ""),
}
"""Form, tune, title, first line, acrostic."""
SETTINGS = ("hold_form=false", "temperature=0.3", "temperature=1.3", "seed=1", "seed=2")
"""To compare with."""


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    bench = Workbench(ctx, DEMO.slug, TASK)
    with bench.frame():
        with bench.fields():
            form = gr.Radio(
                [(ctx.t(f"poem.form_{number}"), name) for number, name in enumerate((*REGULATED, TUNE), start=1)],
                value=REGULATED[1],
                label=ctx.t("poem.form"),
            )
            tune = gr.Dropdown(list(TUNES), value=TUNES[0], label=ctx.t("poem.tune"), visible=False)
            title = gr.Textbox("", max_lines=1, label=ctx.t("poem.about"), placeholder="秋夜", max_length=30)
            with gr.Accordion(ctx.t("poem.more"), open=False):
                first_line = gr.Textbox("", max_lines=1, label=ctx.t("poem.first_line"), placeholder="江上秋风起白波")
                acrostic = gr.Textbox(
                    "",
                    max_lines=1,
                    label=ctx.t("poem.acrostic"),
                    info=ctx.t("poem.acrostic_info"),
                    placeholder="春夏秋冬",
                )
                hold_form = gr.Checkbox(True, label=ctx.t("poem.hold_form"))
                temperature = gr.Slider(0.0, 1.5, 0.8, step=0.05, label=ctx.t("generate.temperature"))
                seed = seed_field(ctx, "poem.seed")
        with bench.results():
            shown = drawn_view("poem", "poem-shown")
        bench.examples([list(sample) for sample in EXAMPLES.values()], [form, tune, title, first_line, acrostic],
                       list(EXAMPLES))  # fmt: skip
        compare = ComparePanel(bench, SETTINGS)

    def to_request(form: str, tune: str, title: str, *others: Any) -> Mapping[str, Any]:
        names = ("first_line", "acrostic", "hold_form", "temperature", "seed")
        named = dict(zip(names, others, strict=True))
        named["seed"] = seed_of(named["seed"])
        given = {name: value for name, value in named.items() if value not in (None, "")}
        return {"form": tune, **given} if form == TUNE else {"form": form, "title": title or "", **given}

    def render(view: View, form: str, tune: str, title: str, *others: Any) -> Updates:
        return {shown: describe_draft(view.text) if view.result is None else describe_poem(view.result)}

    inputs = [form, tune, title, first_line, acrostic, hold_form, temperature, seed]
    bench.connect(
        inputs=inputs,
        outputs=[shown],
        to_request=to_request,
        render=render,
        submit=[title.submit, first_line.submit, acrostic.submit],
    )
    compare.connect(inputs, to_request)
    form.change(_fields_of, form, [tune, title], queue=False, **PRIVATE)


def _fields_of(form: str) -> tuple[Any, ...]:
    return gr.update(visible=form == TUNE), gr.update(visible=form != TUNE)


def describe_draft(text: str) -> str:
    """Value of the view while the poem is being written."""
    sentences = [[[list(line), "", 0]] for line in text.split("\n") if line]
    return encoded({"title": "", "form": "", "sentences": sentences, "facts": []})


def describe_poem(result: PoemResult) -> str:
    """Value of the view: sentences of lines, each with its characters and sounds, its mark and whether it rhymes."""
    sentences: list[list[Any]] = [[]]
    for number, line in enumerate(result.lines):
        characters = [_sounded(*each) for each in zip(line.text, line.sounds, strict=True)]
        sentences[-1].append([characters, line.mark, int(bool(line.rhyme))])
        if line.mark in "。！？" and number + 1 < len(result.lines):
            sentences.append([])
    return encoded(
        {
            "title": result.title,
            "form": result.form,
            "sentences": sentences,
            "inForm": result.in_form,
            "facts": [["rhymes", *result.rhymes_kept], ["tones", *result.tones_kept]],
            "text": f"{result.title}\n{result.text}",
        }
    )


def _sounded(character: str, sound: Sound) -> list[Any]:
    return [character, sound.pinyin, int(sound.level)]


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def poem(
        form: str,
        title: str | None = None,
        first_line: str | None = None,
        acrostic: str | None = None,
        hold_form: bool = True,
        temperature: float = 0.8,
        seed: int | None = None,
        model: str = "auto",
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Write a Chinese poem in a classical form; the lines so far stream while the model writes.

        Args:
            form: 五绝, 七绝, 五律 or 七律, or a tune such as 浣溪沙.
            title: What it is about, in Chinese characters; poems to a tune have none of their own.
            first_line: How it begins, without punctuation.
            acrostic: Characters that its lines, or its sentences, begin with.
            hold_form: Hold lengths, rhymes and tones to the form; otherwise the model writes by itself.
            temperature: 0 is predictable, 1 is daring; at most 2.
            seed: The same seed gives the same poem; a new one is drawn when it is left out.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with text, title, form, in_form, rhymes_kept and tones_kept (how many of how many), model and
            seconds.
        """
        values = {
            "form": form,
            "title": title,
            "first_line": first_line,
            "acrostic": acrostic,
            "hold_form": hold_form,
            "temperature": temperature,
            "seed": seed,
        }
        async for record in serve(ctx, TASK, values, model, request):
            yield record

    return poem


DEMO = Demo(slug="poem", order=61, icon="詩", task=TASK, build=build, endpoint=endpoint, within="generate")
