"""Entity scores against seqeval's own."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from llm_core.errors import InputError
from llm_core.evaluation.tags import tag_scores

TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
SENTENCES = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=6)


@settings(deadline=None)
@given(SENTENCES)
def test_the_figures_are_seqeval_s(sentences: list[list[tuple[str, str]]]) -> None:
    gold, predicted = ([[pair[side] for pair in s] for s in sentences] for side in (0, 1))
    if not any(tag.startswith("B-") for tags in gold for tag in tags):
        with pytest.raises(InputError, match="at least one entity"):
            tag_scores(predicted, gold)
        return
    scores = tag_scores(predicted, gold)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, oracle in (("f1", f1_score), ("recall", recall_score), ("precision", precision_score)):
            expected = oracle(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
            assert scores[name].value == pytest.approx(expected)


def test_by_hand() -> None:
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-ORG", "O"]]
    scores = tag_scores([["B-PER", "I-PER", "O", "B-PER"], ["I-ORG", "B-MISC"]], gold)
    assert scores["precision"].value == pytest.approx(1 / 3), "I-ORG alone is no entity; MISC counts as a mistake"
    assert scores["recall"].value == pytest.approx(1 / 3)
    assert scores["f1[PER]"].value == pytest.approx(2 / 3)
    assert scores["f1[LOC]"].value == scores["f1[ORG]"].value == 0.0
    assert "f1[MISC]" not in scores
    assert scores["f1"].low == 0.0 < scores["f1"].high


def test_nothing_found_is_precision_zero() -> None:
    scores = tag_scores([["O"]], [["B-PER"]])
    assert scores["precision"].value == scores["f1"].value == 0.0


@pytest.mark.parametrize(
    ("predicted", "message"),
    [([["PER", "O"]], "IOB2"), ([["B-", "O"]], "IOB2"), ([["S-PER", "O"]], "IOB2"), ([["O"]], "one tag for each word")],
)
def test_other_schemes_and_lengths_are_refused(predicted: list[list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tag_scores(predicted, [["B-PER", "O"]])
