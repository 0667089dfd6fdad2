"""Collators: padding, masks and shifted labels, against values written out by hand."""

from __future__ import annotations

import pytest
import torch

from llm_core.data.collators import IGNORED, CausalLMCollator, PaddingCollator, Seq2SeqCollator
from llm_core.errors import InputError

PAD, START = 0, 9


def test_rows_are_padded_to_eights_and_masked_by_length() -> None:
    batch = PaddingCollator(PAD)([{"input_ids": [5, PAD, 6], "labels": 1}, {"input_ids": [7] * 9, "labels": 0}])
    assert batch["input_ids"].tolist() == [[5, PAD, 6] + [PAD] * 13, [7] * 9 + [PAD] * 7]
    assert batch["attention_mask"].tolist() == [[True] * 3 + [False] * 13, [True] * 9 + [False] * 7]
    assert batch["attention_mask"].dtype == torch.bool
    assert batch["labels"].tolist() == [1, 0]
    assert set(batch) == {"input_ids", "attention_mask", "labels"}


def test_full_rows_need_no_mask() -> None:
    assert "attention_mask" not in PaddingCollator(PAD)([{"input_ids": [1] * 8}] * 2)


def test_spans_and_segments_are_kept() -> None:
    feature = {"input_ids": [1, 2], "token_type_ids": [0, 1], "start_positions": 1, "end_positions": 1}
    batch = PaddingCollator(PAD, multiple_of=4)([feature, feature])
    assert batch["token_type_ids"].tolist() == [[0, 1, 0, 0]] * 2
    assert batch["start_positions"].tolist() == batch["end_positions"].tolist() == [1, 1]


def test_tags_at_padding_have_no_say() -> None:
    features = [{"input_ids": [1, 2], "labels": [IGNORED, 3]}, {"input_ids": [1, 2, 3], "labels": [IGNORED, 4, 5]}]
    labels = PaddingCollator(PAD, multiple_of=4)(features)["labels"]
    assert labels.tolist() == [[IGNORED, 3, IGNORED, IGNORED], [IGNORED, 4, 5, IGNORED]]


def test_causal_labels_are_the_input_or_the_given_part() -> None:
    features = [{"input_ids": [1, PAD]}, {"input_ids": [1, 2, 3], "labels": [IGNORED, 2, 3]}]
    batch = CausalLMCollator(PAD, multiple_of=4)(features)
    assert batch["labels"].tolist() == [[1, PAD, IGNORED, IGNORED], [IGNORED, 2, 3, IGNORED]]


def test_the_decoder_sees_the_labels_one_late() -> None:
    features = [{"input_ids": [1], "labels": [5, 6, 2]}, {"input_ids": [1, 2], "labels": [2]}]
    batch = Seq2SeqCollator(PAD, START, multiple_of=4)(features)
    assert batch["labels"].tolist() == [[5, 6, 2, IGNORED], [2, IGNORED, IGNORED, IGNORED]]
    assert batch["decoder_input_ids"].tolist() == [[START, 5, 6, PAD], [START, PAD, PAD, PAD]]
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 4)


def test_no_rows_make_no_batch() -> None:
    with pytest.raises(InputError, match="features: must hold at least one row"):
        PaddingCollator(PAD)([])
