"""The form of a poem is told from its lines."""

from __future__ import annotations

import pytest

from llm_core.data.poetry import form_of, lines_of

FIVE, SEVEN = "春风吹又生，", "两个黄鹂鸣翠柳，"


@pytest.mark.parametrize(
    ("text", "kind", "form"),
    [
        (FIVE * 4, "tang", "五绝"),
        (SEVEN * 4, None, "七绝"),
        (FIVE * 8, "song-shi", "五律"),
        ("\n".join([SEVEN * 2] * 4), "tang", "七律"),
        (FIVE * 6, "tang", "五言"),
        (SEVEN * 12, "tang", "七言"),
        (FIVE * 3 + SEVEN, "tang", "古风"),
        (FIVE * 4, "song-ci", "词"),
        ("(伴哥云)" + FIVE * 4, "yuan-qu", "曲"),
        ("交交黄鸟，止于棘。", "shijing", "诗经"),
    ],
)
def test_form(text: str, kind: str | None, form: str) -> None:
    assert form_of({"text": text, "kind": kind}) == form


def test_remarks_and_punctuation_are_no_part_of_a_line() -> None:
    assert lines_of("(唱)春风吹又生。\n《柳》，绿！") == ["春风吹又生", "柳", "绿"]
