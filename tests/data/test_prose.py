"""Prose from files with broken lines, marks of italics and unknown words."""

from __future__ import annotations

import pytest

from llm_core.data.prose import paragraphs_of


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Once upon\na time there\n was a fox.\n\nIt slept.", "Once upon a time there was a fox.\n\nIt slept."),
        ("One.\r\nTwo.\r\n\r\n\r\n\r\nThree.", "One. Two.\n\nThree."),
        ("He saw what _wit_ is. _So_ he did._", "He saw what wit is. So he did."),
        ("snake_case stays", "snake_case stays"),
        ("A lobster. It is a <unk> lobster, seen\nby <unk>! It is blue.", "A lobster. It is blue."),
        ('"A <unk>?" she said. "No."', 'she said. "No."'),
        ("<unk>", ""),
        ("", ""),
    ],
)
def test_what_is_read(text: str, read: str) -> None:
    assert paragraphs_of({"text": text}) == read
