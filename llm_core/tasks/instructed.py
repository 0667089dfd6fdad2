"""Other tasks, done by a model that generates: it is told in words what to do, as one would tell a person.

Such a model was trained for none of these tasks. Where the answer is one of several labels or lists of names, a grammar
holds the model to it (Willard & Louf 2023, arXiv:2307.09702), if its runtime can do so; otherwise what can be read of
the answer is taken. Its probabilities say how likely the words are, not the labels, so none are given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from llm_core.backends.base import Generates
from llm_core.catalog import Catalog, ModelSpec
from llm_core.session import Session, Steps, Task
from llm_core.tasks.base import Result
from llm_core.tasks.decoding import decode
from llm_core.tasks.language import LANGUAGE_NAMES, check_language, readers
from llm_core.tasks.prompts import Turn, chat_prompt
from llm_core.types import Sampling

MAX_NAMES, MAX_NAME_CHARS = 12, 60
"""Of each kind; small models do not come to an end by themselves."""
KINDS = {"persons": "PER", "organisations": "ORG", "places": "LOC"}
"""What names are asked for under, and the label they get."""
NOT_THERE = "not in the text"
SENTIMENTS = ("negative", "neutral", "positive")


class Stretch(BaseModel):
    """Characters ``start:end`` of the text that the model named."""

    model_config = ConfigDict(frozen=True)

    start: int
    end: int
    label: str


class InstructedResult(Result):
    """What the model said, and what could be read of it."""

    record_fields = ("text", "label", "stretches")

    text: str
    """As it was written."""
    label: str | None = None
    """Of those that it could choose from."""
    stretches: tuple[Stretch, ...] = ()
    """Where the text has what the model named, from left to right, none overlapping."""
    not_in_text: tuple[str, ...] = ()
    """Names that the text does not have."""


@dataclass(frozen=True)
class Instruction:
    """How a task is put into words."""

    text_of: Callable[[Any], str]
    """The text of a request that the model reads."""
    ask: Callable[[Any], str]
    """The whole message to the model."""
    held_to: Callable[[Any], Mapping[str, Any]]
    """Shape of the answer, as a field of `Sampling`; empty for free text."""
    read: Callable[[Any, str], InstructedResult]
    """Makes something of the request's answer."""
    max_new_tokens: int = 64


class InstructedTask:
    """A task done by a model that generates; see `session.Task`.

    Args:
        task: Whose requests it takes.

    Raises:
        KeyError: There are no words for this task.
    """

    def __init__(self, task: Task[Any, Any]) -> None:
        self.name, self.request_type = task.name, task.request_type
        self._instruction  # noqa: B018  # raises now

    @property
    def _instruction(self) -> Instruction:
        """Looked up, not kept: functions do not cross to another process."""
        return _INSTRUCTIONS[self.name]

    def candidates(self, catalog: Catalog, request: Any) -> tuple[ModelSpec, ...]:
        """Models that generate and read the text."""
        return readers(instructed_specs(catalog, self.name), "text", self._instruction.text_of(request))

    def run(self, session: Session, request: Any) -> Steps[InstructedResult]:
        """See `session.Task.run`."""
        told = self._instruction
        check_language(session.spec, "text", told.text_of(request))
        model = session.open(Generates)
        held = told.held_to(request) if session.spec.follows_schemas else {}
        prompt = chat_prompt(session.spec.prompt_template, "", (Turn("user", told.ask(request)),))
        sampling = Sampling(max_new_tokens=told.max_new_tokens, temperature=0.0, **held)
        written: list[str] = []
        steps = decode(model, prompt, sampling, session.cancel)
        for step in steps:
            written.append(step.text)  # type: ignore[union-attr]  # a decoder yields deltas only
            yield step
        return told.read(request, "".join(written).strip())


def _loaded(text: str) -> Mapping[str, Any]:
    """The first JSON object of a text; empty if there is none, or its end is missing."""
    found = re.search(r"\{.*\}", text, re.DOTALL)
    try:
        data = json.loads(found[0]) if found else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _one_of(labels: Sequence[str]) -> Mapping[str, Any]:
    """A grammar of llama.cpp (GBNF); its strings are written as those of JSON."""
    return {"grammar": f"root ::= {' | '.join(json.dumps(label) for label in labels)}"}


def _label_of(labels: Sequence[str], text: str) -> InstructedResult:
    named = [label for label in labels if label.lower() in text.lower()]
    return InstructedResult(text=text, label=max(named, key=len) if named else None)


def _ask_for_label(labels: Sequence[str], what: str, text: str) -> str:
    return f"{what}\n\nText: {text}\n\nAnswer with one of these labels only: {', '.join(labels)}."


def _class_labels(request: Any) -> tuple[str, ...]:
    return request.labels or tuple(dict.fromkeys(label for _, label in request.examples or ()))


def _ask_for_class(request: Any) -> str:
    shown = "".join(f"\nText: {text}\nLabel: {label}\n" for text, label in request.examples or ())
    what = "Which label fits this text best?" + (f" Some examples:\n{shown}\n" if shown else "")
    return _ask_for_label(_class_labels(request), what, request.text)


def _lists_of_names(request: Any) -> Mapping[str, Any]:
    names = {"type": "array", "maxItems": MAX_NAMES, "items": {"type": "string", "maxLength": MAX_NAME_CHARS}}
    schema = {"type": "object", "properties": dict.fromkeys(KINDS, names), "required": list(KINDS)}
    return {"json_schema": json.dumps({**schema, "additionalProperties": False})}


def _ask_for_names(request: Any) -> str:
    return (
        "Which persons, organisations and places does this text name? Copy the names exactly. Answer as JSON with the "
        f"fields {', '.join(KINDS)}, each a list.\n\nText: {request.text}"
    )


def _names_of(request: Any, text: str) -> InstructedResult:
    data = _loaded(text)
    named = [(str(name), label) for field, label in KINDS.items() for name in _list(data.get(field))]
    places = _places(request.text, named)
    found = {request.text[place.start : place.end] for place in places}
    missing = dict.fromkeys(name.strip() for name, _ in named if not any(name.strip() in each for each in found))
    return InstructedResult(text=text, stretches=places, not_in_text=tuple(missing))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _places(text: str, named: Sequence[tuple[str, str]]) -> tuple[Stretch, ...]:
    """Where the names stand as words of their own, longer names first."""
    found: list[Stretch] = []
    for name, label in sorted(named, key=lambda each: -len(each[0])):
        if not name.strip():
            continue
        for match in re.finditer(rf"(?<![a-zA-Z0-9]){re.escape(name.strip())}(?![a-zA-Z0-9])", text):
            start, end = match.span()
            if all(end <= other.start or start >= other.end for other in found):
                found.append(Stretch(start=start, end=end, label=label))
    return tuple(sorted(found, key=lambda each: each.start))


def _ask_for_answer(request: Any) -> str:
    return (
        f"Answer the question with a few words copied from the text. If the text does not answer it, say: {NOT_THERE}."
        f"\n\nText: {request.context}\n\nQuestion: {request.question}"
    )


def _answer_of(request: Any, text: str) -> InstructedResult:
    said = text.strip().strip(".。\"'“”")
    start = request.context.lower().find(said.lower()) if said else -1
    if start < 0 or said.lower() == NOT_THERE:
        return InstructedResult(text=text)
    return InstructedResult(text=text, stretches=(Stretch(start=start, end=start + len(said), label="answer"),))


def _ask_for_translation(request: Any) -> str:
    language = LANGUAGE_NAMES.get(request.target.partition("-")[0], request.target)
    return f"Translate this text into {language}. Give the translation only.\n\n{request.text}"


def _nothing(request: Any) -> Mapping[str, Any]:
    return {}


_INSTRUCTIONS: Mapping[str, Instruction] = {
    "classify": Instruction(
        text_of=lambda request: request.text,
        ask=_ask_for_class,
        held_to=lambda request: _one_of(_class_labels(request)),
        read=lambda request, text: _label_of(_class_labels(request), text),
    ),
    "sentiment": Instruction(
        text_of=lambda request: request.text,
        ask=lambda request: _ask_for_label(SENTIMENTS, "What is the sentiment of this text?", request.text),
        held_to=lambda request: _one_of(SENTIMENTS),
        read=lambda request, text: _label_of(SENTIMENTS, text),
    ),
    "entities": Instruction(
        text_of=lambda request: request.text,
        ask=_ask_for_names,
        held_to=_lists_of_names,
        read=_names_of,
        max_new_tokens=320,
    ),
    "answer": Instruction(
        text_of=lambda request: request.context,
        ask=_ask_for_answer,
        held_to=_nothing,
        read=_answer_of,
        max_new_tokens=48,
    ),
    "translate": Instruction(
        text_of=lambda request: request.text,
        ask=_ask_for_translation,
        held_to=_nothing,
        read=lambda request, text: InstructedResult(text=text),
        max_new_tokens=512,
    ),
}


def instructed_specs(catalog: Catalog, task: str) -> tuple[ModelSpec, ...]:
    """Entries that can be told in words to do a task that is not theirs; to translate, those of several languages."""
    if task not in _INSTRUCTIONS:
        return ()
    fewest = 2 if task == "translate" else 1
    return tuple(spec for spec in catalog.for_task("generate") if len({*spec.languages} - {"code"}) >= fewest)
