"""Fields that an answer is to have, as a visitor writes them, and the JSON schema that a decoder is held to.

    name: text
    price: number
    in stock: yes/no
    colour: red | green | blue
    tags: list of text

Kinds may be written in Chinese as well (文本, 数字, 整数, 是否; 文本列表). The module knows no model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from llm_core.limits import check_characters

MAX_FIELDS = 16
MAX_NAME_CHARS = 40
MAX_CHOICES = 12
MAX_TEXT_CHARS, MAX_ITEMS = 240, 6
"""Of one value: small models do not come to an end by themselves."""
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS},
    "number": {"type": "number"},
    "whole number": {"type": "integer"},
    "yes/no": {"type": "boolean"},
}
_ALIASES = {"文本": "text", "数字": "number", "整数": "whole number", "是否": "yes/no"}
_LIST = re.compile(r"list of (?P<en>.+)|(?P<zh>.+)列表")


def json_schema(written: str) -> dict[str, Any] | None:
    """The schema of an object with these fields, all of them there and in this order; ``None`` for no fields.

    Args:
        written: One field a line: its name, a colon and its kind; a field without a kind is text.

    Raises:
        ValueError: A line breaks a rule; the message tells its number.
    """
    properties: dict[str, Any] = {}
    lines = [(number, line.strip()) for number, line in enumerate(written.splitlines(), start=1) if line.strip()]
    if len(lines) > MAX_FIELDS:
        raise ValueError(f"must have at most {MAX_FIELDS} lines, one a field")
    for number, line in lines:
        name, _, kind = (part.strip() for part in line.replace("：", ":").partition(":"))
        if not name or len(name) > MAX_NAME_CHARS:
            raise ValueError(f"line {number} must begin with a name of at most {MAX_NAME_CHARS} characters")
        if name in properties:
            raise ValueError(f"line {number} repeats the field {name!r}")
        properties[name] = _value(kind or "text", number)
    if not properties:
        return None
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _value(kind: str, number: int) -> dict[str, Any]:
    if found := _LIST.fullmatch(kind):
        items = _value((found["en"] or found["zh"]).strip(), number)
        return {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_ITEMS}
    if "|" in kind:
        choices = [choice.strip() for choice in kind.split("|")]
        if not all(choices) or len(choices) > MAX_CHOICES or max(map(len, choices)) > MAX_NAME_CHARS:
            raise ValueError(f"line {number} must have at most {MAX_CHOICES} choices between |, none empty or long")
        return {"enum": list(dict.fromkeys(choices))}
    name = _ALIASES.get(kind, kind.lower())
    if name not in _KINDS:
        known = ", ".join(_KINDS)
        raise ValueError(f"line {number}: {kind!r} is no kind; there are {known}, list of …, and choices between |")
    return dict(_KINDS[name])


def _checked(written: str) -> str:
    json_schema(written)
    return check_characters(written).strip()


Fields = Annotated[str, Field(max_length=2_000), AfterValidator(_checked)]
"""Text that `json_schema` understands; may be empty."""
