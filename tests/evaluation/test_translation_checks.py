"""Checks of translations: each fails on what it is for and on nothing else."""

from __future__ import annotations

import pytest

from llm_core.evaluation.translation_checks import translation_checks

SOURCE, REFERENCE = "TensorFlow 2.1 was released in January.", "TensorFlow 2.1 于一月发布。"


@pytest.mark.parametrize(
    ("predicted", "failed"),
    [
        ("TensorFlow 2.1 在一月发布。", set()),
        ("tensorflow ２.１ 在一月发布。", {"names_kept"}),
        ("TensorFlow ２.１ 在一月发布。", set()),
        ("TensorFlow 2.2 在一月发布。", {"names_kept"}),
        ("张量流 2.1 在一月份正式发布", {"names_kept", "right_length"}),
        ("TensorFlow 2.1", {"right_length"}),
        (SOURCE, {"no_copy", "right_length"}),
        ("TensorFlow 2.1 发布发布发布发布", {"no_loop"}),
    ],
)
def test_a_check_fails_on_what_it_is_for(predicted: str, failed: set[str]) -> None:
    found = translation_checks([SOURCE], [predicted], [REFERENCE])
    assert {name for name, estimate in found.items() if estimate.value < 1} == failed


def test_shares_are_over_the_sentences_that_call_for_the_check() -> None:
    sources = [SOURCE, "Good morning.", "Room 7"]
    found = translation_checks(sources, ["2.1", "早上好。", "7号房"], [REFERENCE, "早上好。", "7 号房"])
    assert found["names_kept"].rows == 2 and found["names_kept"].value == pytest.approx(0.5)
    assert found["no_copy"].rows == 3 and found["no_copy"].value == 1
    assert "names_kept" not in translation_checks(["Hello."], ["你好。"], ["你好。"])


def test_what_the_reference_repeats_or_copies_may_be_repeated_and_copied() -> None:
    found = translation_checks(["hahahaha", "OK"], ["哈哈哈哈哈哈哈哈", "OK"], ["哈哈哈哈哈哈哈哈", "OK"])
    assert found["no_loop"].value == 1 and found["no_copy"].value == 1
