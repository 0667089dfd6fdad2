"""Pasted examples are read leniently, and errors name the line; a few examples make a sane classifier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.errors import InputError
from llm_core.tasks.few_shot import check_labels, parse_examples, train_few_shot


@pytest.mark.parametrize(
    "pasted",
    ["good film\tyes\nbad, film\tno", "good film => yes\n\n bad, film=>no ", "good film | yes\r\nbad, film | no"],
)
def test_separators(pasted: str) -> None:
    assert parse_examples(pasted) == (("good film", "yes"), ("bad, film", "no"))


def test_the_last_comma_counts() -> None:
    assert parse_examples("well, good film, yes\nbad film,no") == (("well, good film", "yes"), ("bad film", "no"))


@pytest.mark.parametrize(
    ("pasted", "rule"),
    [
        ("  \n", "must hold lines of the form"),
        ("a\tx\nb\ty\nc", "line 3 needs a tabulator between text and label"),
        ("a => x\n\nb", "line 3 needs '=>' between"),
        ("a | x\n | y", "line 2 has no text"),
        ("a =>\nb => y", "line 1 has no label"),
        ("a\tx\n" * 201, "must be at most 200 lines, there are 201"),
        ("a\t" + "x" * 81, "line 1: the label must have at most 80 characters"),
        ("no separator at all", "line 1 needs a tabulator"),
    ],
)
def test_errors_name_the_line(pasted: str, rule: str) -> None:
    with pytest.raises(InputError, match=f"^examples: {rule}"):
        parse_examples(pasted)


@given(st.text(max_size=60))
def test_any_paste_gives_pairs_or_an_input_error(pasted: str) -> None:
    try:
        assert all(text and label for text, label in parse_examples(pasted))
    except InputError as error:
        assert error.field == "examples"


def test_labels_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 2 different labels"):
        check_labels(["a", "a"])
    with pytest.raises(ValueError, match="at most 32 different labels, there are 33"):
        check_labels([str(number) for number in range(33)])


def around(centre: int, count: int, seed: int) -> np.ndarray:
    vectors = np.eye(8, dtype=np.float32)[centre] + np.random.default_rng(seed).normal(0, 0.1, (count, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_clusters_are_learned_and_left_out_examples_recognised() -> None:
    classifier = train_few_shot(np.concatenate([around(0, 6, 0), around(1, 3, 1)]), ["a"] * 6 + ["b"] * 3)
    assert classifier.labels == ("a", "b") and classifier.left_out_accuracy == 1
    probabilities = classifier.probabilities(np.concatenate([around(0, 5, 2), around(1, 5, 3)]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities[:5, 0] > 0.7).all() and (probabilities[5:, 1] > 0.7).all()


def test_one_example_a_label_is_enough_and_stays_modest() -> None:
    classifier = train_few_shot(np.concatenate([around(0, 1, 0), around(1, 1, 1)]), ["a", "b"])
    assert classifier.left_out_accuracy is None
    unrelated = classifier.probabilities(around(5, 1, 2))[0]
    assert unrelated.max() < 0.75


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=4, max_size=30).filter(lambda labels: len(set(labels)) > 1))
def test_any_mix_of_labels_trains(labels: list[str]) -> None:
    vectors = np.concatenate([around("abcd".index(label), 1, seed) for seed, label in enumerate(labels)])
    classifier = train_few_shot(vectors, labels)
    assert set(classifier.labels) == set(labels)
    assert classifier.left_out_accuracy is None or 0 <= classifier.left_out_accuracy <= 1
