"""Fields as visitors write them become a JSON schema, or an error that tells the line."""

from __future__ import annotations

import pytest

from llm_core.tasks.json_fields import MAX_FIELDS, json_schema


def test_every_kind() -> None:
    schema = json_schema(
        "name\nprice: number\n\nage: Whole number\nnew: yes/no\ncolour: red | green\ntags: list of text"
    )
    assert schema is not None and schema["type"] == "object" and schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"]) == ["name", "price", "age", "new", "colour", "tags"]
    kinds = {name: value.get("type") for name, value in schema["properties"].items()}
    assert kinds == {"name": "string", "price": "number", "age": "integer", "new": "boolean", "colour": None, "tags": "array"}  # fmt: skip  # noqa: E501
    assert schema["properties"]["colour"] == {"enum": ["red", "green"]}
    assert schema["properties"]["tags"]["items"] == schema["properties"]["name"]


def test_chinese_kinds_and_colons() -> None:
    schema = json_schema("名称：文本\n价格：数字\n标签：文本列表")
    assert schema is not None and schema["properties"]["价格"] == {"type": "number"}
    assert schema["properties"]["标签"]["type"] == "array"


def test_nothing_asked_for() -> None:
    assert json_schema(" \n ") is None


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("a: text\n: number", "line 2 must begin with a name"),
        ("x" * 41, "line 1 must begin with a name of at most 40"),
        ("a\nb\na: number", "line 3 repeats the field 'a'"),
        ("a: colour", "line 1: 'colour' is no kind; there are text, number"),
        ("a: list of colours", "'colours' is no kind"),
        ("a: red | ", "line 1 must have at most 12 choices"),
        ("a: " + "|".join(map(str, range(13))), "at most 12 choices"),
        ("\n".join(map(str, range(MAX_FIELDS + 1))), "must have at most 16 lines"),
    ],
)
def test_what_is_refused(written: str, rule: str) -> None:
    with pytest.raises(ValueError) as raised:
        json_schema(written)
    assert rule in str(raised.value)
