"""Tagging: every word is labelled once and read back, whatever the windows; characters point at the text."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from llm_core.data.collators import IGNORED
from llm_core.data.tagging import (
    Entity,
    TagWindow,
    best_tags,
    entities,
    entity_scores,
    in_characters,
    in_small_words,
    repaired,
    tag_features,
    tag_windows,
    touched_tags,
    word_logits,
)
from llm_core.data.words import character_ranges, is_chinese, joined
from llm_core.errors import InputError
from llm_core.settings import REPOSITORY_ROOT

ENCODER = REPOSITORY_ROOT / "models" / "encoder-zh-en"
LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]


def word_tags(windows: list[TagWindow], predictions: list[list[int]], labels: list[str], words: int) -> list[str]:
    """Tags of a model that is sure of `predictions`."""
    return best_tags(word_logits(windows, [9 * np.eye(len(labels))[row] for row in predictions], words, labels), labels)


SENTENCE = st.lists(
    st.tuples(st.sampled_from(["the", "good", "abc", "z", "q7x9"]), st.sampled_from(LABELS)), min_size=1
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=SENTENCE, size=st.integers(6, 12), stride=st.integers(0, 3), continued=st.booleans())
def test_tags_survive_the_round_trip(
    tokenizer: Any, pairs: list[tuple[str, str]], size: int, stride: int, continued: bool
) -> None:
    words, tags = [word for word, _ in pairs], repaired([tag for _, tag in pairs])
    windows = tag_windows(tokenizer, [words], size, stride)
    features = tag_features(windows, [{"tokens": words, "tags": tags}], LABELS, continued)
    assert all(len(feature["input_ids"]) == len(feature["labels"]) <= size for feature in features)
    assert {word for window in windows for _, word in window.first_pieces()} == set(range(len(words)))
    # a model that knows the answers, and says "O" where it was taught nothing
    predictions = [[max(label, 0) for label in feature["labels"]] for feature in features]
    assert word_tags(windows, predictions, LABELS, len(words)) == tags


def test_first_pieces_are_labelled_and_the_others_are_not_or_go_on(tokenizer: Any) -> None:
    row = {"tokens": ["the", "abc"], "tags": ["O", "B-PER"]}
    windows = tag_windows(tokenizer, [row["tokens"]], 16, 0)
    (plain,) = tag_features(windows, [row], LABELS)
    assert plain["labels"] == [IGNORED, 0, 1, IGNORED, IGNORED, IGNORED]
    (continued,) = tag_features(windows, [row], LABELS, continued=True)
    assert continued["labels"] == [IGNORED, 0, 1, 2, 2, IGNORED]


def test_a_word_cut_by_a_window_is_labelled_where_it_begins(tokenizer: Any) -> None:
    row = {"tokens": ["z", "abc", "z"], "tags": ["O", "B-PER", "O"]}
    windows = tag_windows(tokenizer, [row["tokens"]], 5, 0)
    assert [window.words[1:-1] for window in windows] == [[0, 1, 1], [1, 2]]
    labels = [feature["labels"] for feature in tag_features(windows, [row], LABELS)]
    assert labels == [[IGNORED, 0, 1, IGNORED, IGNORED], [IGNORED, IGNORED, 0, IGNORED]]
    windows = tag_windows(tokenizer, [["z", "z", "abc"]], 5, 0)
    assert [window.first_pieces() for window in windows] == [[(1, 0), (2, 1), (3, 2)], []]


def test_a_word_is_read_where_it_has_most_context(tokenizer: Any) -> None:
    windows = tag_windows(tokenizer, [["z"] * 9], 8, 4)
    predictions = [[number] * len(window.words) for number, window in enumerate(windows)]
    assert [window.words[1:-1] for window in windows[:2]] == [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7]]
    assert word_tags(windows, predictions, ["O", "B-X", "B-Y"], 9)[:6] == ["O", "O", "O", "O", "B-X", "B-X"]


def test_words_without_pieces_are_outside(tokenizer: Any) -> None:
    windows = tag_windows(tokenizer, [["z", "\u200d", "z"], []], 16, 0)
    assert [window.row for window in windows] == [0]
    predictions = [[1] * len(windows[0].words)]
    assert word_tags(windows, predictions, LABELS, 3) == ["B-PER", "O", "B-PER"]


def test_the_likeliest_proper_tags_win() -> None:
    draw, labels = np.random.default_rng(0), LABELS
    for words in (1, 2, 4):
        logits = draw.normal(size=(words, len(labels)))
        paths = itertools.product(range(len(labels)), repeat=words)
        proper = [path for path in paths if (tags := [labels[place] for place in path]) == repaired(tags)]
        best = max(proper, key=lambda path: sum(row[place] for row, place in zip(logits, path, strict=True)))
        assert best_tags(logits, labels) == [labels[place] for place in best]
    assert best_tags(np.empty((0, len(labels))), labels) == []


def test_an_entity_is_as_sure_as_its_least_sure_word() -> None:
    tags = ["B-PER", "I-PER", "O", "B-ORG"]
    probabilities = np.array([[0.1, 0.9, 0, 0, 0], [0.3, 0, 0.7, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0.6, 0.4]])
    assert entity_scores(entities(tags), tags, probabilities, LABELS) == pytest.approx([0.7, 0.6])


@pytest.mark.parametrize(
    ("tags", "proper"),
    [
        (["I-PER", "I-PER"], ["B-PER", "I-PER"]),
        (["B-PER", "I-ORG", "I-ORG"], ["B-PER", "B-ORG", "I-ORG"]),
        (["O", "I-PER", "O"], ["O", "B-PER", "O"]),
        (["B-PER", "B-PER", "I-PER"], ["B-PER", "B-PER", "I-PER"]),
        ([], []),
    ],
)
def test_tags_are_mended(tags: list[str], proper: list[str]) -> None:
    assert repaired(tags) == proper


def test_entities_point_at_characters() -> None:
    text = "王明去 New York 了"
    ranges = character_ranges(text)
    tags = ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"]
    found = entities(tags)
    assert found == [Entity("PER", 0, 2), Entity("LOC", 3, 5)]
    assert [text[e.first : e.last] for e in in_characters(found, ranges)] == ["王明", "New York"]


def test_entities_are_said_of_the_words_they_touch() -> None:
    text, places = joined(["He", "left", "New", "York", "."])
    assert text == "He left New York ."
    assert touched_tags(places, [("PER", 0, 2), ("LOC", 8, 14)]) == ["B-PER", "O", "B-LOC", "I-LOC", "O"]


def test_tokens_are_read_as_a_text_is_and_tags_are_told_of_them_again() -> None:
    row = {"tokens": ["The", "U.S.", "met", "北京市", "."], "tags": ["O", "B-LOC", "O", "B-LOC", "O"]}
    cut, of_tokens = in_small_words(row)
    assert cut["tokens"] == ["The", "U", ".", "S", ".", "met", "北", "京", "市", "."]
    assert cut["tags"] == ["O", "B-LOC", "I-LOC", "I-LOC", "I-LOC", "O", "B-LOC", "I-LOC", "I-LOC", "O"]
    assert of_tokens(cut["tags"]) == row["tags"]
    assert of_tokens(["O", "I-LOC", "O", "O", "O", "O", "O", "I-LOC", "O", "O"]) == row["tags"]
    assert in_small_words({"tokens": ["\u200d", "a"]})[0]["tokens"] == ["\u200d", "a"]


def test_single_letters_and_digits_are_read_as_the_words_they_make() -> None:
    row = {"tokens": list("1998年IBM来京"), "tags": [*"OOOOO", "B-ORG", "I-ORG", "I-ORG", "O", "B-LOC"]}
    cut, of_tokens = in_small_words(row)
    assert cut["tokens"] == ["1998", "年", "IBM", "来", "京"]
    assert cut["tags"] == ["O", "O", "B-ORG", "O", "B-LOC"]
    assert of_tokens(cut["tags"]) == row["tags"]


def test_chinese_is_read_as_running_text_and_each_character_has_a_tag_of_its_own() -> None:
    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    for text in ("王芳在IBM公司。", "“好”，王芳 👍 说。"):
        words = [text[start:end] for start, end in character_ranges(text)]
        (whole,) = tag_windows(tokenizer, [words], 32, 0)
        assert whole.input_ids == tokenizer(joined(words)[0])["input_ids"]
        read = {word: tokenizer.convert_ids_to_tokens(whole.input_ids[piece]) for piece, word in whole.first_pieces()}
        assert all(read[number] == word for number, word in enumerate(words) if is_chinese(word))
        assert {number for number, word in enumerate(words) if word.isalnum() or word == "👍"} <= read.keys()


@pytest.mark.parametrize("stride", [0, 1, 2, 5])
def test_blanks_at_the_border_of_a_window_hide_no_word(stride: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    words = ["王", "Q", "Zx", "在", "Q", "。", "👍", "芳"]
    windows = tag_windows(tokenizer, [words], 8, stride)
    assert {word for window in windows for _, word in window.first_pieces()} == set(range(len(words)))


def test_mistakes_are_named(tokenizer: Any) -> None:
    with pytest.raises(InputError, match="tags: must be among O, B-PER.*got 'B-X'"):
        tag_features([], [{"tags": ["B-X"]}], LABELS)
    with pytest.raises(InputError, match=r"stride: must be in \[0, 6\)"):
        tag_windows(tokenizer, [["z"]], 8, 6)
    assert tag_windows(tokenizer, [[]], 8, 0) == []
