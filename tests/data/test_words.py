"""Words: English and Chinese, and which pieces begin one."""

from __future__ import annotations

from typing import Any

import pytest

from llm_core.data.words import by_word, character_ranges, is_chinese, word_ranges, word_starts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't know well-known cafés.", ["I", "don't", "know", "well-known", "cafés", "."]),
        ("我们喜欢苹果。", ["我们", "喜欢", "苹果", "。"]),
        ("买iPhone手机", ["买", "iPhone", "手机"]),
        ("snake_case  (x)", ["snake", "_", "case", "(", "x", ")"]),
        ("  ", []),
    ],
)
def test_words_are_cut(text: str, words: list[str]) -> None:
    assert [text[a:b] for a, b in word_ranges(text)] == words


def test_characters_stand_alone_only_in_chinese() -> None:
    text = "王明 likes 𠀀2pac"
    assert [text[a:b] for a, b in character_ranges(text)] == ["王", "明", "likes", "𠀀", "2pac"]
    assert is_chinese(text) and not is_chinese("likes。")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "see http://a.b/c?d=1,2 now, (www.a.com).",
            ["see", "http://a.b/c?d=1,2", "now", ",", "(", "www.a.com", ")", "."],
        ),
        ("看www.baidu.com。写信给me@x.co.uk", ["看", "www.baidu.com", "。", "写", "信", "给", "me@x.co.uk"]),
        ("U.S. a@b", ["U", ".", "S", ".", "a", "@", "b"]),
    ],
)
def test_addresses_are_words(text: str, words: list[str]) -> None:
    assert [text[a:b] for a, b in character_ranges(text)] == words


def test_pieces_know_their_words(tokenizer: Any) -> None:
    text = "good xyz the"
    encoded = tokenizer(text, return_offsets_mapping=True)
    starts = word_starts(text, encoded["offset_mapping"])
    tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    assert list(zip(tokens, starts, strict=True)) == [
        ("[CLS]", 1),
        ("good", 1),
        ("x", 1),
        ("##y", 0),
        ("##z", 0),
        ("the", 1),
        ("[SEP]", 1),
    ]


def test_chinese_pieces_follow_the_segmenter() -> None:
    text = "我们喜欢苹果"
    assert word_starts(text, [(i, i + 1) for i in range(6)]) == [1, 0, 1, 0, 1, 0]


def test_a_blank_belongs_to_the_piece_behind_it() -> None:
    # SentencePiece: "▁big", "▁ca", "t"; byte fallback: three pieces of one character
    assert word_starts("big cat", [(0, 3), (3, 6), (6, 7)]) == [1, 1, 0]
    assert word_starts("a 🙂", [(0, 1), (1, 2), (2, 3), (2, 3), (2, 3)]) == [1, 1, 1, 0, 0]


def test_values_of_pieces_are_added_up_by_word() -> None:
    text = "it's  okay 好"
    pieces = [(0, 2, 1.0), (2, 4, 0.5), (4, 8, 0.25), (8, 10, 0.5), (11, 12, -1.0), (5, 6, 3.0)]
    assert by_word(text, pieces) == [(0, 4, 1.5), (5, 6, 3.0), (6, 10, 0.75), (11, 12, -1.0)]
    assert by_word("one two", [(0, 3, 1.0)]) == [(0, 3, 1.0), (4, 7, 0.0)], "words without pieces are there, too"
