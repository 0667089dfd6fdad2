"""What a row must hold, by kind of task.

- ``classification``: ``text, label``.
- ``question_answering``: ``id, context, question, answers[{text, answer_start}], source``; no answers: not in the text.
- ``tagging``: ``tokens, tags`` (``O``, ``B-PER``, ``I-PER``; `tagging.repaired` mends an ``I-`` that follows nothing,
  which well-known sets hold).
- ``translation``: at least two of the two-letter language fields, such as ``en, zh``: a text, or a list of wordings.
- ``text``: ``text``.

More fields are allowed and kept. The module knows nothing of files, tokens or models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from llm_core.data.files import NumberedRow, Row
from llm_core.errors import InputError

RowKind = Literal["classification", "question_answering", "tagging", "translation", "text"]
"""What kind of task a row is for."""

_LANGUAGE = re.compile(r"[a-z]{2}")
_TAG = re.compile(r"O|[BI]-.+")


class _Text(BaseModel):
    model_config = ConfigDict(strict=True)
    text: str


class _Classification(_Text):
    label: str


class _Answer(_Text):
    answer_start: int


class _QuestionAnswering(BaseModel):
    model_config = ConfigDict(strict=True)
    id: str
    context: str
    question: str
    answers: list[_Answer]
    source: str

    @model_validator(mode="after")
    def _stands_there(self) -> _QuestionAnswering:
        for answer in self.answers:
            if not self.context.startswith(answer.text, answer.answer_start) or answer.answer_start < 0:
                raise ValueError(f"answer {answer.text!r} must stand in the context at {answer.answer_start}")
        return self


class _Tagging(BaseModel):
    model_config = ConfigDict(strict=True)
    tokens: list[str]
    tags: list[str]

    @model_validator(mode="after")
    def _one_tag_each(self) -> _Tagging:
        if len(self.tokens) != len(self.tags):
            raise ValueError(f"{len(self.tokens)} tokens must have as many tags, not {len(self.tags)}")
        for tag in self.tags:
            if not _TAG.fullmatch(tag):
                raise ValueError(f"tag {tag!r} must be O, B-TYPE or I-TYPE")
        return self


class _Translation(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    @model_validator(mode="after")
    def _has_a_pair(self) -> _Translation:
        languages = {field: text for field, text in (self.model_extra or {}).items() if _LANGUAGE.fullmatch(field)}
        if len(languages) < 2:
            raise ValueError("must have two language fields, such as en and zh")
        for field, text in languages.items():
            if not isinstance(text, str) and not _is_list_of_texts(text):
                raise ValueError(f"{field} must be a string, or a list of them")
        return self


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_MODELS: Mapping[str, type[BaseModel]] = {
    "classification": _Classification,
    "question_answering": _QuestionAnswering,
    "tagging": _Tagging,
    "translation": _Translation,
    "text": _Text,
}


def checked(rows: Iterable[NumberedRow], kind: RowKind, origin: object) -> Iterator[Row]:
    """The rows, each checked before it is given.

    Args:
        rows: Rows with their line numbers.
        kind: What the rows must hold.
        origin: Where they come from, for the message.

    Raises:
        InputError: The kind is unknown, or a row breaks its rule; the message names origin, line and field.
    """
    model = _MODELS.get(kind)
    if model is None:
        raise InputError("kind", f"must be one of {', '.join(get_args(RowKind))}", kind)
    for number, row in rows:
        try:
            model.model_validate(row)
        except ValidationError as error:
            raise _as_input_error(error, f"{origin}, line {number}") from None
        yield row


def _as_input_error(error: ValidationError, place: str) -> InputError:
    first: Any = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "row"
    missing, value = first["type"] == "missing", first["input"]
    shown = None if missing or isinstance(value, dict) else value
    rule = first["msg"].removeprefix("Value error, ")
    return InputError(field, f"{place}: {rule[0].lower()}{rule[1:]}", shown)
