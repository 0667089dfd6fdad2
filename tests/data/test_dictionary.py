"""The dictionary beside a translator: which entries it keeps, and what is found in it."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from llm_core.data.dictionary import FILE, Dictionary, word_counts, write_dictionary
from llm_core.errors import WeightsError

ROWS = [
    {"zh": "你好", "en": ["hello", "hi"]},
    {"zh": "喂", "en": ["hello (when answering the phone)", "hey"]},
    {"zh": "再见", "en": ["goodbye", "see you again later"]},
    {"zh": "跑", "en": ["to run", "CL:次[ci4]", "(bound form) race", "variant of 跑[pao2]"]},
    {"zh": "跑", "en": ["(of an animal) to paw the ground"]},
    {"zh": "奔跑", "en": ["to run", "to run (do sth)"]},
    {"zh": "一月", "en": ["January", "first month (of the lunar year)"]},
    {"zh": "上海", "en": ["Shanghai municipality, central east China, abbr. to 滬|沪[Hu4]"]},
    {"zh": "晚安", "en": ["Good night!", "Good evening!"]},
    {"zh": "马马虎虎", "en": ["careless", "so-so"]},
    {"zh": "对牛弹琴", "en": ["lit. to play the lute to a cow (idiom)", "fig. to cast pearls before swine"]},
    {"zh": "是的", "en": ["yes, that's right"]},
    {"zh": "卡拉OK", "en": ["karaoke"]},
    {"zh": "量词", "en": ["a word that one uses in order to explain something at length"]},
]


@pytest.fixture(scope="module")
def counts() -> dict[str, int]:
    texts = ["你好，我跑，他跑。", "他在跑；奔跑", "再见，你好！喂", "一月"]
    return word_counts(texts, {row["zh"] for row in ROWS})


@pytest.fixture
def dictionary(tmp_path: Path, counts: dict[str, int]) -> Dictionary:
    assert write_dictionary(ROWS, counts, 100, tmp_path / FILE) == 11, (
        "two words have no meaning to show, 跑 has one row"
    )
    return Dictionary(tmp_path / FILE)


def test_long_words_count_anywhere_and_single_characters_as_words(counts: dict[str, int]) -> None:
    assert (counts["你好"], counts["奔跑"], counts["再见"]) == (2, 1, 1)
    assert counts["跑"] == 3, "the one in 奔跑 is no word"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hello", ("你好", "喂")),
        ("Hello!", ("你好！", "喂！")),
        ("HI ", ("你好",)),
        ("hi...", ("你好…",)),
        ("run", ("跑", "奔跑")),
        ("to run?", ("跑？", "奔跑？")),
        ("Shanghai", ("上海",)),
        ("good night.", ("晚安。",)),
        ("that's right", ("是的",)),
        ("paw the ground", ()),
        ("see you again later", ()),
        ("hell", ()),
        ("", ()),
        ("!", ()),
        ("hello\tthere", ()),
        ("x" * 300, ()),
    ],
)
def test_english(text: str, found: tuple[str, ...], dictionary: Dictionary) -> None:
    assert dictionary.translations(text, "en", "zh") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("你好", ("hello", "hi")),
        ("你好！", ("Hello!", "Hi!")),
        ("喂", ("hey", "hello")),
        ("跑", ("to run",)),
        ("一月", ("January", "first month")),
        ("上海", ("Shanghai",)),
        ("对牛弹琴", ("to cast pearls before swine",)),
        ("晚安", ("Good night!", "Good evening!")),
        ("晚安。", ("Good night.", "Good evening.")),
        ("月", ()),
        ("hello", ()),
    ],
)
def test_chinese(text: str, found: tuple[str, ...], dictionary: Dictionary) -> None:
    assert dictionary.translations(text, "zh", "en") == found


def test_other_languages_are_not_looked_up(dictionary: Dictionary) -> None:
    assert dictionary.translations("hello", "en", "de") == dictionary.translations("hello", "de", "zh") == ()


def test_common_words_and_set_phrases_are_kept_first(tmp_path: Path, counts: dict[str, int]) -> None:
    assert write_dictionary(ROWS, counts, 5, tmp_path / FILE) == 5
    lines = lzma.decompress((tmp_path / FILE).read_bytes()).decode().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["再见", "晚安", "马马虎虎", "对牛弹琴", "跑"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no archive")
    with pytest.raises(WeightsError, match=FILE):
        Dictionary(tmp_path / FILE).translations("hello", "en", "zh")
