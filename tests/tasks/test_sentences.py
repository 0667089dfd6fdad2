"""Sentences and windows are exact, complete and bounded for any text."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llm_core.tasks.sentences import Range, split_sentences, split_windows, units

any_text = st.text(
    alphabet=st.sampled_from(list('ab.!? \n\r\t。！？你好😀…"“”()\u2028\x0b\u0301-*'))
    | st.characters(exclude_categories=["Cs"]),
    max_size=80,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith left. It cost 3.5 dollars!  Really?", ["Dr. Smith left.", "It cost 3.5 dollars!", "Really?"]),
        ("我喜欢。你呢？ 好！", ["我喜欢。", "你呢？", "好！"]),
        (
            "One line\nstill the same one.\n\nA heading\n\nText.",
            ["One line\nstill the same one.", "A heading", "Text."],
        ),
        ("- eggs\n- milk", ["- eggs", "- milk"]),
        ("不会引发 sqlite3.InterfaceError。由库处理。", ["不会引发 sqlite3.InterfaceError。", "由库处理。"]),
        ("It reads io.TextIOBase. Then it ends.", ["It reads io.TextIOBase.", "Then it ends."]),
        ("   ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [sentence.of(text) for sentence in split_sentences(text)] == expected


@settings(max_examples=300)
@given(any_text)
def test_sentences_hold_everything_but_blanks(text: str) -> None:
    position = 0
    for sentence in split_sentences(text):
        assert sentence.start >= position and not text[position : sentence.start].strip()
        assert sentence.of(text) == sentence.of(text).strip() != ""
        position = sentence.end
    assert not text[position:].strip()


@settings(max_examples=300)
@given(any_text, st.integers(4, 40), st.integers(0, 20))
@example("!\u0cba\U0001f85a", 5, 4)
def test_windows_hold_everything_within_bounds(text: str, bound: int, overlap: int) -> None:
    windows = split_windows(text, bound, overlap)
    covered = {index for window in windows for index in range(window.start, window.end)}
    assert all(index in covered for index, character in enumerate(text) if not character.isspace())
    assert all(units(window.of(text).strip()) <= bound for window in windows)
    assert all(
        one.start < other.start and one.end < other.end for one, other in zip(windows, windows[1:], strict=False)
    )


def test_windows_cut_between_sentences_and_overlap_by_whole_ones() -> None:
    text = "One is here. Two is here. Three is here. Four is here."
    assert [window.of(text) for window in split_windows(text, 30)] == [
        "One is here. Two is here.",
        "Three is here. Four is here.",
    ]
    overlapping = [window.of(text) for window in split_windows(text, 30, 15)]
    assert overlapping == ["One is here. Two is here.", "Two is here. Three is here.", "Three is here. Four is here."]


def test_short_text_is_one_window_and_long_words_are_cut() -> None:
    assert split_windows(" a. b. ", 100) == [Range(1, 6)]
    assert [window.of("x" * 25) for window in split_windows("x" * 25, 10)] == ["x" * 10, "x" * 10, "x" * 5]


def test_wide_characters_count_four_times() -> None:
    assert units("ab") == 2 and units("你好") == 8 and units("a你") == 5
