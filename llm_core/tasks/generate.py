"""Text generation: one instruction or a conversation in, streamed text out.

A conversation that has grown too long for the model loses its oldest turns, and the result says how many; the last
message is never cut. What the model writes is literal text to its next turn, as is what people write. Asked for fields,
the model writes a JSON object: a grammar lets it write nothing else (Willard & Louf 2023, arXiv:2307.09702).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from llm_core.backends.base import Generates, HasChatTemplate
from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import InputError
from llm_core.limits import NewTokens, OptionalText, RepeatPenalty, Seed, Temperature, Text, TopP
from llm_core.prompt import Prompt
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result, tuple_of
from llm_core.tasks.decoding import FinishReason, decode
from llm_core.tasks.json_fields import Fields, json_schema
from llm_core.tasks.language import check_language, check_writes, is_chinese, readers, writers
from llm_core.tasks.prompts import (
    CODE_WRITINGS,
    CONTINUE,
    DEFAULT_SYSTEM,
    JSON_INSTRUCTION,
    LANGUAGE_INSTRUCTIONS,
    WRITINGS,
    Role,
    Turn,
    chat_prompt,
)
from llm_core.types import Delta, Sampling, Token

MAX_HISTORY_TURNS = 100
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？…][”’」』）]*")
_CODE_FENCE = "```"
_TEMPLATES = WRITINGS | CODE_WRITINGS


class Message(BaseModel):
    """One earlier message of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Role
    content: Text


class GenerateRequest(Request):
    """What to write."""

    prompt: Text
    """The instruction, or the last message of a conversation."""
    system: OptionalText = ""
    """Instructions to the model; empty means those of the template, or a general one."""
    history: Annotated[tuple[Message, ...], BeforeValidator(tuple_of), Field(max_length=MAX_HISTORY_TURNS)] = ()
    """Earlier messages, oldest first."""
    template: (
        Literal["story", "email", "product", "summary", "explanation"]
        | Literal["explain_code", "add_docstring", "add_type_hints", "write_tests"]
        | None
    ) = None
    """Kind of text, the prompt then only says about what; or what to do with the code that is the prompt."""
    language: Literal["en", "zh"] | None = None
    """The answer's, an ISO 639-1 code; ``None`` leaves it to the model, which mostly answers as it was asked."""
    max_new_tokens: NewTokens = 256
    temperature: Temperature = 0.7
    top_p: TopP = 0.95
    repeat_penalty: RepeatPenalty = 1.1
    seed: Seed | None = None
    """The same seed gives the same text; ``None`` draws a new one."""
    fields: Fields = ""
    """The answer is a JSON object with these fields, one a line; see `json_fields`. Empty: free text."""
    beginning: OptionalText = ""
    """The answer begins with this, and the model goes on from there."""
    whole_sentences: bool = True
    """A text that `max_new_tokens` cut off ends with its last whole sentence; code, and JSON, stay as they are."""
    top_alternatives: Annotated[int, Field(ge=0, le=10)] = 0
    """How many likely tokens to report at each place, with probabilities."""


class GenerateResult(Result):
    """What was written."""

    record_fields: ClassVar[tuple[str, ...]] = ("text",)

    text: str
    finish_reason: FinishReason
    """``"length"`` when `max_new_tokens` ended it."""
    tokens: tuple[Token, ...] = ()
    """With probabilities; empty unless `top_alternatives` asked for them."""
    data: dict[str, Any] | None = None
    """The object, when `fields` asked for one and it was not cut off by `max_new_tokens`."""
    turns_left_out: int = 0
    """Earliest messages of the conversation that did not fit into the model's context."""


class GenerateTask:
    """See `Task`."""

    name: ClassVar[str] = "generate"
    request_type: ClassVar[type[GenerateRequest]] = GenerateRequest

    def candidates(self, catalog: Catalog, request: GenerateRequest) -> tuple[ModelSpec, ...]:
        """Decoders that read the prompt's script, write the language asked for and, for fields, follow a schema."""
        specs = [spec for spec in catalog.for_task("generate") if not request.fields or _can_answer_in_fields(spec)]
        able = readers(specs, "prompt", request.prompt)
        return able if request.language is None else writers(able, "language", request.language)

    def run(self, session: Session, request: GenerateRequest) -> Steps[GenerateResult]:
        """See `Task.run`."""
        check_language(session.spec, "prompt", request.prompt)
        if request.language is not None:
            check_writes(session.spec, "language", request.language)
        model, template = session.open(Generates), session.spec.prompt_template
        opening = _opening(request) if session.spec.continues else ""
        beginning = request.beginning or (request.prompt if template == CONTINUE else opening)
        prompt, left_out = _fitting_prompt(model, template, request, beginning)
        tokens: list[Token] = []
        steps = decode(model, prompt, _sampling(request), session.cancel)
        finish_reason = yield from _from_first_letter(steps, tokens, beginning)
        text = (beginning + "".join(token.text for token in tokens)).strip()
        if request.whole_sentences and finish_reason == "length" and not request.fields:
            text = _to_last_sentence(text)
        return GenerateResult(
            text=text,
            finish_reason=finish_reason,
            data=_read(text) if request.fields else None,
            tokens=tuple(tokens) if request.top_alternatives else (),
            turns_left_out=left_out,
        )


def _can_answer_in_fields(spec: ModelSpec) -> bool:
    return spec.follows_schemas and spec.prompt_template != CONTINUE


def _from_first_letter(steps: Steps[FinishReason], tokens: list[Token], beginning: str) -> Steps[FinishReason]:
    """Give the beginning and pass deltas on, without blanks before the first letter; note all tokens in `tokens`.

    Nothing is given before the model has answered: where it does not, another may be asked.
    """
    owed = beginning
    try:
        while True:
            step = next(steps)
            assert isinstance(step, Delta)
            tokens.extend(step.tokens)
            if owed:
                yield Delta(owed)
                owed = ""
            text = step.text if beginning else step.text.lstrip()
            beginning = beginning or text
            yield Delta(text, step.tokens)
    except StopIteration as stop:
        if owed:
            yield Delta(owed)
        reason: FinishReason = stop.value
        return reason
    finally:
        steps.close()


def _to_last_sentence(text: str) -> str:
    """Without the beginning of a sentence at the end; a text without any whole sentence, or with code, as it is."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends and _CODE_FENCE not in text else text


def _read(text: str) -> dict[str, Any] | None:
    """The object, unless its end is missing."""
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return found


def _sampling(request: GenerateRequest) -> Sampling:
    schema = json_schema(request.fields)
    return Sampling(
        max_new_tokens=request.max_new_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        repeat_penalty=request.repeat_penalty,
        seed=request.seed,
        top_alternatives=request.top_alternatives,
        json_schema=None if schema is None else json.dumps(schema, ensure_ascii=False),
    )


def _opening(request: GenerateRequest) -> str:
    """How the answer to a template begins."""
    writing = _TEMPLATES.get(request.template or "")
    return writing.begin(request.prompt, chinese=_in_chinese(request)) if writing and not request.fields else ""


def _in_chinese(request: GenerateRequest) -> bool:
    """Whether the answer is to be Chinese."""
    return is_chinese(request.prompt) if request.language is None else request.language == "zh"


def _fitting_prompt(
    model: Generates, template: str | None, request: GenerateRequest, beginning: str
) -> tuple[Prompt, int]:
    """The prompt with as many of the latest turns as fit, and how many earlier ones were left out.

    Raises:
        InputError: Not even the last message fits.
    """
    writing = _TEMPLATES[request.template] if request.template else None
    system = request.system or (writing.system if writing else "")
    if request.fields:
        system = f"{system} {JSON_INSTRUCTION}\n{request.fields}".strip()
    if request.language and template != CONTINUE:
        system = f"{system or DEFAULT_SYSTEM} {LANGUAGE_INSTRUCTIONS[request.language]}"
    text = writing.wrap(request.prompt, chinese=_in_chinese(request)) if writing else request.prompt
    last = () if template == CONTINUE else (Turn("user", text),)
    own = model.chat_prompt if isinstance(model, HasChatTemplate) else None
    history = [Turn(message.role, message.content) for message in request.history]
    room = model.context_length - request.max_new_tokens
    for left_out in _cuts(history):
        prompt = chat_prompt(template, system, (*history[left_out:], *last), beginning, own)
        length = model.count_tokens(prompt)
        if length <= room:
            return prompt, left_out
    raise InputError(
        "prompt",
        f"has {length} tokens with its instructions; the model takes {model.context_length}, of which "
        f"max_new_tokens={request.max_new_tokens} are kept for the answer",
    )


def _cuts(history: Sequence[Turn]) -> list[int]:
    """Where a conversation may start: with all of it, at a later message of the user, or with nothing."""
    return [0, *(place for place, turn in enumerate(history) if place and turn.role == "user"), len(history)]


TASK = GenerateTask()
