"""Sentence pairs: what a dictionary's list of wordings gives, and which pairs cleaning drops, by which rule."""

from __future__ import annotations

import pytest

from llm_core.data.parallel import Cleaner, Cleaning, pairs


def _row(source: str, target: str, direction: str = "en-zh") -> dict[str, str]:
    return {"source": source, "target": target, "direction": direction}


def test_a_row_of_texts_gives_one_pair_a_direction() -> None:
    row = {"en": "I like fruit.", "zh": "我喜欢水果。", "source": "tatoeba"}
    assert list(pairs(row, "en-zh")) == [_row("I like fruit.", "我喜欢水果。")]
    assert list(pairs(row, "zh-en")) == [_row("我喜欢水果。", "I like fruit.", "zh-en")]


def test_each_wording_of_a_dictionary_is_a_source_and_the_first_is_the_target() -> None:
    row = {"zh": "笨", "en": ["(coll.) stupid", "foolish (of a person)", "(archaic)"]}
    assert list(pairs(row, "en-zh")) == [_row("stupid", "笨"), _row("foolish", "笨")]
    assert list(pairs(row, "zh-en")) == [_row("笨", "stupid", "zh-en")]
    assert list(pairs({"zh": "啊", "en": ["(interjection)"]}, "zh-en")) == [], "nothing but an aside translates nothing"


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("Open the file.", "打开文件。", None),
        ("Python 3.14", "Python 3.14 版", None),
        ("...", "……", "empty"),
        (
            "It rains.",
            "今天下着很大的雨，所以我们都没有出门，只是坐在家里看书，等着雨停下来以后再去公园散步。",
            "length_ratio",
        ),
        ("tf.function", "tf.function", "right_script"),
        ("str.join()", "str.split()", "right_script"),
        ("打开文件。", "打开这个文件。", "right_script"),
        ("See AddressLists) for more.", "更多内容请参见 AddressLists。", "closed_brackets"),
        ("a) first, b) second", "a) 第一，b) 第二", None),
    ],
)
def test_a_pair_is_dropped_for_one_reason(source: str, target: str, reason: str | None) -> None:
    cleaner = Cleaner(Cleaning())
    assert cleaner.keeps(_row(source, target)) is (reason is None)
    assert dict(cleaner.dropped) == ({reason: 1} if reason else {})
    if reason not in (None, "empty"):
        off = Cleaning.model_validate({reason: None if reason == "length_ratio" else False})
        assert Cleaner(off).keeps(_row(source, target)), "each rule can be switched off"


def test_what_came_before_is_dropped_but_for_the_other_direction() -> None:
    cleaner = Cleaner(Cleaning())
    rows = [
        _row("Good morning!", "早上好！"),
        _row("good  morning", "早上好"),
        _row("早上好！", "Good morning!", "zh-en"),
        _row("Good morning!", "早安！"),
    ]
    assert [cleaner.keeps(row) for row in rows] == [True, False, True, True]
    assert cleaner.dropped == {"distinct": 1}


def test_other_languages_than_chinese_are_compared_in_length_and_copies_only() -> None:
    cleaner = Cleaner(Cleaning())
    assert cleaner.keeps(_row("A dog runs.", "Ein Hund läuft.", "en-de"))
    assert not cleaner.keeps(_row("Berlin", "Berlin!", "en-de"))
