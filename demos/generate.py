"""Text generation: one text from a template, a conversation, or a poem, streamed as the model writes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from demos._api import Record, serve
from demos._batch import BatchPanel
from demos._compare import ComparePanel
from demos._demo import Demo, DemoContext, discover
from demos._handler import Updates
from demos._outcomes import Words
from demos._seed import seed_field, seed_of
from demos._stream import View
from demos._tokens import ALTERNATIVES, describe_tokens, let_continue, tokens_view
from demos._workbench import Workbench
from llm_core.catalog import ModelSpec
from llm_core.limits import MAX_NEW_TOKENS
from llm_core.tasks.generate import TASK, GenerateResult
from llm_core.tasks.prompts import CONTINUE, WRITINGS

CHAT = "chat"
FREE = "free"
LANGUAGES = ("", "en", "zh")
TEMPLATES = (FREE, *WRITINGS)
EXAMPLES = {
    "Story": ("story", "A lighthouse keeper who is afraid of the dark", ""),
    "E-mail": ("email", "Ask the landlord to repair the heating before the weekend", ""),
    "Product text": ("product", "A folding bicycle that fits under an office desk", ""),
    "Explanation": ("explanation", "Why is the sky blue?", ""),
    "JSON": (
        FREE,
        "Invent a character for a children's book: a clumsy dragon who bakes bread.",
        "name: text\nage: whole number\nmood: cheerful | shy | grumpy\nhobbies: list of text",
    ),
    "写作": ("story", "一只想学会游泳的猫", ""),
}
SETTINGS = ("temperature=0", "temperature=1.2", "repeat_penalty=1", "top_p=0.5", "seed=1", "seed=2")
"""To compare with."""
CHAT_EXAMPLES = {
    "Plan a day": "I have one day in Paris. What should I see in the morning?",
    "Name ideas": "Suggest three names for a small bakery.",
    "Explain": "What is a language model, in two sentences?",
}


@dataclass(frozen=True)
class Settings:
    """The folded settings of one view; the order of its fields is the order of the request's values."""

    system: Component
    language: Component
    temperature: Component
    top_p: Component
    repeat_penalty: Component
    max_new_tokens: Component
    seed: Component


def build(ctx: DemoContext) -> None:
    """See `Demo.build`."""
    with gr.Tabs(elem_classes=["views"]):
        with gr.Tab(ctx.t("generate.write"), id="write"):
            _build_write(ctx)
        with gr.Tab(ctx.t("generate.chat"), id=CHAT):
            _build_chat(ctx)
        for demo in (demo for demo in discover() if demo.within == DEMO.slug):
            demo.show(ctx, ctx.t(f"{demo.slug}.title"))


def _build_write(ctx: DemoContext) -> None:
    bench = Workbench(ctx, DEMO.slug, TASK)
    with bench.frame():
        with bench.fields():
            template = gr.Radio(
                [(ctx.t(f"generate.template_{name}"), name) for name in TEMPLATES],
                value=FREE,
                label=ctx.t("generate.template"),
            )
            prompt = gr.Textbox(
                lines=3, max_lines=10, label=ctx.t("generate.prompt"), placeholder=ctx.t("generate.prompt_placeholder")
            )
            probabilities = gr.Checkbox(False, label=ctx.t("generate.probabilities"))
            with gr.Accordion(ctx.t("generate.as_json"), open=False):
                wanted = gr.Textbox(
                    lines=4, max_lines=16, label=ctx.t("generate.fields"), info=ctx.t("generate.fields_info"),
                    placeholder=ctx.t("generate.fields_placeholder"),
                )  # fmt: skip
            beginning = gr.Textbox(
                "", lines=1, max_lines=6, label=ctx.t("generate.beginning"), info=ctx.t("generate.beginning_info")
            )
            settings = _settings(ctx)
        with bench.results():
            text = gr.Textbox(
                lines=15, max_lines=15, label=ctx.t("generate.result"), interactive=False, buttons=["copy"],
                elem_id="generate-result",
            )  # fmt: skip
        with bench.details():
            tokens = tokens_view("generate-tokens")
        bench.examples(list(EXAMPLES.values()), [template, prompt, wanted], list(EXAMPLES))
        compare = ComparePanel(bench, SETTINGS)
    let_continue(tokens, beginning, f"{DEMO.slug}-run")

    def to_request(
        template: str, prompt: str, probabilities: bool, wanted: str | None, beginning: str | None, *values: Any
    ) -> Mapping[str, Any]:
        probabilities_of = ALTERNATIVES if probabilities else 0
        return {"prompt": prompt, "top_alternatives": probabilities_of, **shared(template, wanted, beginning, *values)}

    def shared(template: str, wanted: str | None, beginning: str | None, *values: Any) -> Mapping[str, Any]:
        fields = {"fields": wanted or "", "beginning": beginning or "", **_given(values)}
        return fields if template == FREE else {**fields, "template": template}

    def render(
        view: View, template: str, prompt: str, probabilities: bool, wanted: str, beginning: str, *values: Any
    ) -> Updates:
        if view.result is None:
            return {text: view.text}
        shown = describe_tokens(view.result.tokens, beginning or "") if probabilities else ""
        return {text: readable(view.result), tokens: shown}

    inputs = [template, prompt, probabilities, wanted, beginning, *components_of(settings)]
    bench.connect(inputs=inputs, outputs=[text, tokens], to_request=to_request, render=render)
    compare.connect(inputs, to_request, lambda request, result: Words(readable(result)))
    BatchPanel(bench, [template, wanted, beginning, *components_of(settings)], shared)


def _build_chat(ctx: DemoContext) -> None:
    bench = Workbench(ctx, CHAT, TASK)
    with bench.frame():
        with bench.fields():
            message = gr.Textbox(
                lines=1, max_lines=8, label=ctx.t("generate.message"), placeholder=ctx.t("generate.message_placeholder")
            )
            settings = _settings(ctx)
        with bench.results():
            conversation = gr.Chatbot(
                value=[],
                label=ctx.t("generate.conversation"),
                show_label=False,  # it would lie over the first words
                height=420,
                elem_id="chat-conversation",
                buttons=["copy", "copy_all"],
            )
        bench.examples([[text] for text in CHAT_EXAMPLES.values()], [message], list(CHAT_EXAMPLES))
        compare = ComparePanel(bench, SETTINGS, fits=follows_instructions)

    def to_request(message: str, history: Sequence[Mapping[str, Any]], *values: Any) -> Mapping[str, Any]:
        return {"prompt": message, "history": plain_history(history), **_given(values)}

    def render(view: View, said: str, history: Sequence[Mapping[str, Any]], *values: Any) -> Updates:
        answer = view.text if view.result is None else view.result.text
        turns = [*history, {"role": "user", "content": said}, {"role": "assistant", "content": answer}]
        emptied: dict[Block, Any] = {message: ""} if view.shown == 0 else {}
        return {conversation: turns, **emptied}

    inputs = [message, conversation, *components_of(settings)]
    bench.connect(
        inputs=inputs, outputs=[conversation, message], to_request=to_request, render=render, submit=[message.submit]
    )
    compare.connect(inputs, lambda message, history, *values: to_request(*asked_last(message, history), *values))


def follows_instructions(spec: ModelSpec) -> bool:
    """Whether a model was taught to do what it is told, not only to go on with a text."""
    return spec.prompt_template not in (None, CONTINUE)


def asked_last(message: str, history: Sequence[Mapping[str, Any]]) -> tuple[str, list[dict[str, str]]]:
    """What is compared: the message that is being written, or else the last one, each with what was said before it."""
    turns = plain_history(history)
    asked = [place for place, turn in enumerate(turns) if turn["role"] == "user"]
    if message.strip() or not asked:
        return message, turns
    return turns[asked[-1]]["content"], turns[: asked[-1]]


def _settings(ctx: DemoContext) -> Settings:
    with gr.Accordion(ctx.t("common.settings"), open=False):
        return Settings(
            system=gr.Textbox("", lines=2, label=ctx.t("generate.system")),
            language=gr.Radio(
                [(ctx.t(f"generate.language_{code or 'any'}"), code) for code in LANGUAGES],
                value="",
                label=ctx.t("generate.language"),
            ),
            temperature=gr.Slider(0.0, 2.0, 0.7, step=0.05, label=ctx.t("generate.temperature")),
            top_p=gr.Slider(0.05, 1.0, 0.95, step=0.05, label=ctx.t("generate.top_p")),
            repeat_penalty=gr.Slider(1.0, 2.0, 1.1, step=0.05, label=ctx.t("generate.repeat_penalty")),
            max_new_tokens=gr.Slider(16, MAX_NEW_TOKENS, 256, step=16, label=ctx.t("generate.max_new_tokens")),
            seed=seed_field(ctx, "generate.seed"),
        )


def components_of(settings: Settings) -> tuple[Component, ...]:
    """The components in order (`dataclasses.astuple` would copy them)."""
    return tuple(getattr(settings, name) for name in Settings.__dataclass_fields__)


def _given(values: Sequence[Any]) -> dict[str, Any]:
    """Request fields of the settings; what a visitor left empty is left to the task."""
    named = dict(zip(Settings.__dataclass_fields__, values, strict=True))
    named["seed"] = seed_of(named["seed"])
    return {name: value for name, value in named.items() if value not in (None, "")}


def plain_history(history: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Turns as role and text: the page sends lists of parts, `gradio_client` plain strings."""
    turns = [{"role": str(turn["role"]), "content": _text_of(turn["content"])} for turn in history]
    return [turn for turn in turns if turn["content"].strip()]


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, Mapping))


def readable(result: GenerateResult) -> str:
    """The text; a JSON object over several lines."""
    return result.text if result.data is None else json.dumps(result.data, ensure_ascii=False, indent=2)


def endpoint(ctx: DemoContext) -> Callable[..., Any]:
    """See `Demo.endpoint`."""

    async def generate(
        prompt: str,
        system: str | None = None,
        max_new_tokens: int = 256,
        temperature: float = 0.7,
        seed: int | None = None,
        fields: str | None = None,
        language: str | None = None,
        model: str = "auto",
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Write a text; the text so far streams while the model writes.

        Args:
            prompt: What to write or answer.
            system: Instructions on how to answer, such as a role or a style.
            max_new_tokens: Longest text in tokens, 1 to 1024.
            temperature: 0 is predictable, 1 is daring; at most 2.
            seed: The same seed gives the same text; a new one is drawn when it is left out.
            fields: Answer as a JSON object with these fields, one a line: "name: text", "price: number",
                "in stock: yes/no", "colour: red | green", "tags: list of text".
            language: Language to answer in, en or zh; the model chooses when it is left out.
            model: Catalogue id of the model to use; auto takes the best one that is available.

        Returns:
            A record with text, model and seconds.
        """
        values = {
            "prompt": prompt,
            "system": system,
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "seed": seed,
            "fields": fields,
            "language": language,
        }
        async for record in serve(ctx, TASK, values, model, request):
            yield record

    return generate


DEMO = Demo(slug="generate", order=60, icon="✎", task=TASK, build=build, endpoint=endpoint)
