"""Code completion: what stands at the cursor, ended at a sensible boundary and checked for syntax.

SmolLM2-135M-Instruct was not trained to complete code. Measured on 20 Python prefixes, greedy, first line; sensible /
parses of 20, with the cursor's last blank shown, and left to the model (`_cursor`): raw prefix 13/16, 17/19; few-shot
raw 14/17, 16/17; asked in chat to complete a copy 3/3, 18/18; file tokens 14/14, 18/18; few-shot in the assistant's
turn 15/17, 15/17; the assistant's turn begun with an introduction, "```python" and the prefix 16/18, 18/18 (used here).

It has no fill-in-the-middle training either: it does not see the suffix, which only ends its completion. Models with
such training (`prompts.FIM_MARKS`) see both sides. Other languages than Python are left to models that know them.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from llm_core.backends.base import Generates
from llm_core.catalog import Catalog, ModelSpec
from llm_core.endpoints import MESSAGES
from llm_core.errors import InputError
from llm_core.limits import Count, NewTokens, OptionalText, Seed, Temperature, Text
from llm_core.prompt import Prompt
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result
from llm_core.tasks.code_boundary import CodeBoundary, StopReason, indentation
from llm_core.tasks.decoding import FinishReason, decode
from llm_core.tasks.prompts import FIM_MARKS, Turn, chat_prompt, fill_in_the_middle_prompt
from llm_core.types import Delta, Sampling, Token

PYTHON = "python"
LANGUAGES = (
    PYTHON, "javascript", "typescript", "java", "c", "cpp", "csharp", "go", "rust", "php", "ruby", "sql", "shell",
)  # fmt: skip
"""Python first; the others need a model with the template `MANY_LANGUAGES`."""
MANY_LANGUAGES = "qwen_fim"
MAX_CANDIDATES = 4
VARIED_TEMPERATURE = 0.6
"""Further candidates are sampled at least this freely: otherwise they repeat the first."""
_SUFFIX_SHARE = 4
"""A suffix may take one part in so many of the room that is left for the prompt."""
_SYSTEM = "You are an expert Python programmer. You write complete, correct and concise code."
_QUESTION = "Write a Python module."
_INTRODUCTION = "Here is the complete module:\n\n```python\n"


def _known_language(language: str) -> str:
    name = language.strip().lower()
    if name not in LANGUAGES:
        raise ValueError(f"must be one of {', '.join(LANGUAGES)}; there is no {language[:20]!r}")
    return name


class CompleteRequest(Request):
    """Where to complete."""

    prefix: Text
    """Code before the cursor."""
    suffix: OptionalText = ""
    """Code after the cursor."""
    language: Annotated[str, AfterValidator(_known_language)] = PYTHON
    max_new_tokens: NewTokens = 96
    temperature: Temperature = 0.0
    """Of the first candidate."""
    candidates: Annotated[Count, Field(le=MAX_CANDIDATES)] = 1
    seed: Seed | None = None
    top_alternatives: Annotated[int, Field(ge=0, le=10)] = 0
    """How many likely tokens are kept beside each token that is written; 0 keeps no tokens."""


class Candidate(BaseModel):
    """One completion."""

    model_config = ConfigDict(frozen=True)

    text: str
    mean_log_probability: float | None
    """Of its tokens, in nats, by the model; ``None`` when it has none."""
    syntax_ok: bool | None
    """Whether prefix, completion and suffix parse, allowing for what is still open at the cursor; ``None`` if not
    Python."""
    stopped_at: StopReason | Literal["length"]
    stream: int
    """Number of the stream it came in."""
    tokens: tuple[Token, ...] = ()
    """What `text` is made of, when `top_alternatives` asked for them; the last one may have been cut."""


class CompleteResult(Result):
    """The best completion, and all of them."""

    record_fields: ClassVar[tuple[str, ...]] = ("text",)

    text: str
    candidates: tuple[Candidate, ...]
    """Best first, each text once: those that say something, by mean log-probability."""
    lines_left_out: int = 0
    """Lines at the beginning of the prefix that did not fit into the model's context."""
    suffix_seen: bool = False
    """Whether the model was shown the suffix."""


class CompleteTask:
    """See `Task`."""

    name: ClassVar[str] = "complete"
    request_type: ClassVar[type[CompleteRequest]] = CompleteRequest

    def candidates(self, catalog: Catalog, request: CompleteRequest) -> tuple[ModelSpec, ...]:
        """All code models for Python; for other languages those that were trained on them."""
        able = catalog.for_task("complete")
        if request.language != PYTHON:
            able = tuple(spec for spec in able if spec.prompt_template == MANY_LANGUAGES)
            if not able:
                raise InputError(
                    "language", f"must be {PYTHON}: no model of the catalogue completes {request.language}"
                )
        return able

    def run(self, session: Session, request: CompleteRequest) -> Steps[CompleteResult]:
        """See `Task.run`."""
        model = session.open(Generates)
        prompt, left_out = _fitting_prompt(model, session.spec.prompt_template, request)
        drafts: list[Candidate] = []
        for stream in range(request.candidates):
            drafts.append((yield from _candidate(model, prompt, request, session, stream)))
        ranked = list({draft.text: draft for draft in sorted(drafts, key=_rank)}.values())[::-1]
        return CompleteResult(
            text=ranked[0].text,
            candidates=tuple(ranked),
            lines_left_out=left_out,
            suffix_seen=bool(request.suffix.strip()) and session.spec.prompt_template in FIM_MARKS,
        )


def _rank(candidate: Candidate) -> tuple[bool, float]:
    mean = candidate.mean_log_probability
    return bool(candidate.text.strip()), -math.inf if mean is None else mean


@dataclass
class _Draft:
    """A completion under way."""

    boundary: CodeBoundary
    owed: str
    """The blank or newline that the prompt left to the model, and that stands in the prefix already; see `_cursor`."""
    text: str = ""
    log_probabilities: list[float] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    """As they came, without what the model owed."""

    def add(self, token: Token) -> str:
        """Take a token; give back what may be shown."""
        owed = self.owed
        text = self._settled(token.text)
        if self.owed:
            return ""
        others = tuple((other.removeprefix(owed), chance) for other, chance in token.alternatives)
        self.tokens.append(Token(text, token.probability, others))
        shown = self.boundary.feed(text)
        if token.probability and self.boundary.reason is None:
            self.log_probabilities.append(math.log(token.probability))
        self.text += shown
        return shown

    def _settled(self, text: str) -> str:
        """The text after what is owed; what the model writes before an owed newline belongs to a line that is over."""
        if self.owed == "\n" and "\n" not in text:
            return ""
        settled = text.partition("\n")[2] if self.owed == "\n" else text.removeprefix(self.owed)
        self.owed = ""
        return settled

    def finish(self) -> str:
        """Take the end; give back what may be shown."""
        rest = self.boundary.finish()
        self.text += rest
        return rest


def _candidate(
    model: Generates, prompt: Prompt, request: CompleteRequest, session: Session, stream: int
) -> Steps[Candidate]:
    """Stream one completion up to its boundary, which stops the model."""
    boundary = CodeBoundary(request.prefix, request.suffix, python=request.language == PYTHON)
    draft = _Draft(boundary, _cursor(request.prefix)[1])
    finish: FinishReason = "stop"
    steps = decode(model, prompt, _sampling(request, stream), session.cancel, stream)
    try:
        while draft.boundary.reason is None:
            step = next(steps)
            assert isinstance(step, Delta)
            yield Delta("".join(map(draft.add, step.tokens)), step.tokens, stream)
    except StopIteration as stop:
        finish = stop.value
    finally:
        steps.close()
    if rest := draft.finish():
        yield Delta(rest, (), stream)
    return _judged(draft, request, finish, stream)


def _judged(draft: _Draft, request: CompleteRequest, finish: FinishReason, stream: int) -> Candidate:
    stopped_at: StopReason | Literal["length"] = draft.boundary.reason or ("length" if finish == "length" else "end")
    code = request.prefix + draft.text
    logs = draft.log_probabilities
    return Candidate(
        text=draft.text,
        mean_log_probability=sum(logs) / len(logs) if logs else None,
        syntax_ok=parses(code, request.suffix) if request.language == PYTHON else None,
        stopped_at=stopped_at,
        stream=stream,
        tokens=tuple(_up_to(len(draft.text), draft.tokens)) if request.top_alternatives else (),
    )


def _up_to(length: int, tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens of the first characters; the last is cut where the completion was."""
    for token in tokens:
        if length <= 0:
            return
        yield replace(token, text=token.text[:length])
        length -= len(token.text)


def _sampling(request: CompleteRequest, stream: int) -> Sampling:
    """The first candidate as asked for, the others more varied and from seeds of their own."""
    return Sampling(
        max_new_tokens=request.max_new_tokens,
        temperature=max(request.temperature, VARIED_TEMPERATURE) if stream else request.temperature,
        repeat_penalty=1.0,
        seed=None if request.seed is None else (request.seed + stream) % 2**32,
        top_alternatives=max(1, request.top_alternatives),
    )


def _fitting_prompt(model: Generates, template: str | None, request: CompleteRequest) -> tuple[Prompt, int]:
    """The prompt with as much of the prefix's end as fits, and how many lines before were left out.

    Raises:
        InputError: `max_new_tokens` leaves no room, or the prefix's last line alone does not fit.
    """
    room = model.context_length - request.max_new_tokens
    lines = request.prefix.splitlines(keepends=True)
    suffix = _fitting_suffix(model, request.suffix, room // _SUFFIX_SHARE) if template in FIM_MARKS else ""
    low, high = 0, len(lines) - 1
    prompt = _prompt(template, request.prefix, suffix)
    length = model.count_tokens(prompt)
    while length > room and low < high:
        # Drops as many lines as the excess takes on average, so a few rounds do.
        share = (length - room) / length
        low = min(high, low + max(1, round(share * (len(lines) - low))))
        prompt = _prompt(template, "".join(lines[low:]), suffix)
        length = model.count_tokens(prompt)
    if length > room:
        raise InputError(
            "prefix",
            f"has {length} tokens in its last line; the model takes {model.context_length}, of which "
            f"max_new_tokens={request.max_new_tokens} are kept for the completion",
        )
    return prompt, low


def _fitting_suffix(model: Generates, suffix: str, room: int) -> str:
    while suffix and model.count_tokens(suffix) > room:
        suffix = suffix[: len(suffix) // 2]
    return suffix


def _cursor(prefix: str) -> tuple[str, str]:
    """The prefix as the model should see it, and the blank or newline that is left for it to write.

    In these models' vocabularies a word brings the blank before it along, and an indentation the newline before it.
    After one that is there already they write another, and Python's indentation is off; after a newline they write
    comments or nothing.
    """
    return (prefix[:-1], prefix[-1]) if prefix.endswith((" ", "\n")) and prefix.strip() else (prefix, "")


def _prompt(template: str | None, prefix: str, suffix: str) -> Prompt:
    prefix, _ = _cursor(prefix)
    if template in FIM_MARKS and (suffix.strip() or template == MANY_LANGUAGES):
        return fill_in_the_middle_prompt(template, prefix, suffix)
    if template in (None, "plain", MESSAGES, *FIM_MARKS):
        return chat_prompt(None, "", (), prefix)
    return chat_prompt(template, _SYSTEM, (Turn("user", _QUESTION),), _INTRODUCTION + prefix)


def parses(code: str, suffix: str = "") -> bool:
    """Whether Python code up to a cursor parses, together with what follows or with a filled-in rest of an open
    block."""
    if suffix.strip():
        return _is_python(code + suffix)
    last = code.rstrip().rpartition("\n")[2]
    indent = indentation(last)
    inner = " " * (indent + 4)
    endings = ("", f"\n{inner}pass", f"\n{inner}pass\n{_closing_of_try(code)}", f"\n{_closing_of_try(code)}")
    return any(_is_python(code.rstrip() + ending) for ending in endings)


def _closing_of_try(code: str) -> str:
    """A ``finally`` for the last ``try`` of the code."""
    opened: Sequence[str] = [line for line in code.split("\n") if line.strip() == "try:"]
    blanks = " " * indentation(opened[-1]) if opened else ""
    return f"{blanks}finally:\n{blanks}    pass"


def _is_python(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


TASK = CompleteTask()
