"""Features to batches: lists of token ids to padded tensors, for each way of training but masked LM (see `masking`).

Shape legend: B = rows, T = tokens of the longest row, rounded up to `multiple_of` (matrix units like eights), S = the
same of the other side. Rows are padded on the right. ``attention_mask`` (B, T) is bool, true at tokens, and left out
when nothing is padded: attention without a mask is the faster one. Labels at padding are `IGNORED`.
The module knows no tokenizer and no model: ids of special tokens are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llm_core.errors import InputError

IGNORED = -100
"""Label of a position that has no say in the loss; torch's and transformers' own convention."""
Features = Sequence[dict[str, Any]]
Batch = dict[str, Tensor]


def padded(rows: Sequence[Sequence[int]], value: int, multiple_of: int = 8) -> Tensor:
    """(B, T) integers: the rows, filled up on the right with `value`.

    Raises:
        InputError: There are no rows.
    """
    if not rows:
        raise InputError("features", "must hold at least one row")
    width = -(-max(map(len, rows)) // multiple_of) * multiple_of
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=torch.long)


def inputs(features: Features, pad_id: int, multiple_of: int = 8) -> Batch:
    """`input_ids` (B, T), `attention_mask` if anything is padded, and `token_type_ids` if the features have them."""
    rows = [feature["input_ids"] for feature in features]
    batch = {"input_ids": padded(rows, pad_id, multiple_of)}
    lengths = torch.tensor([len(row) for row in rows])
    width = batch["input_ids"].shape[1]
    if int(lengths.min()) < width:  # by length, not by id: some models pad with a token that also ends a text
        batch["attention_mask"] = torch.arange(width) < lengths[:, None]
    if "token_type_ids" in features[0]:
        batch["token_type_ids"] = padded([feature["token_type_ids"] for feature in features], 0, multiple_of)
    return batch


@dataclass(frozen=True)
class PaddingCollator:
    """Classification, span extraction and tagging.

    Gives `inputs`, and of each feature what it has of: ``labels`` (one integer: (B,); one a token: (B, T)),
    ``start_positions`` and ``end_positions`` (B,).
    """

    pad_id: int
    multiple_of: int = 8

    def __call__(self, features: Features) -> Batch:
        """A batch of the features."""
        batch = inputs(features, self.pad_id, self.multiple_of)
        for field in ("labels", "start_positions", "end_positions"):
            values = [feature[field] for feature in features if field in feature]
            if values and hasattr(values[0], "__len__"):
                batch[field] = padded(values, IGNORED, self.multiple_of)
            elif values:
                batch[field] = torch.tensor(values, dtype=torch.long)
        return batch


@dataclass(frozen=True)
class CausalLMCollator:
    """Next-token prediction.

    Gives `inputs` and ``labels`` (B, T), aligned with the input: the objective shifts them by one. Labels are the
    input itself, or a feature's own ``labels`` when only a part is to be learned (a reply, not the question).
    """

    pad_id: int
    multiple_of: int = 8

    def __call__(self, features: Features) -> Batch:
        """A batch of the features."""
        batch = inputs(features, self.pad_id, self.multiple_of)
        labels = [feature["labels" if "labels" in feature else "input_ids"] for feature in features]
        return {**batch, "labels": padded(labels, IGNORED, self.multiple_of)}


@dataclass(frozen=True)
class Seq2SeqCollator:
    """Encoder–decoder training with the right answer so far as the decoder's input (teacher forcing).

    Gives `inputs` (B, S), ``labels`` (B, T) and ``decoder_input_ids`` (B, T): the labels moved one to the right, behind
    `decoder_start_id`. The decoder needs no mask: it never looks ahead, where the padding is.
    """

    pad_id: int
    decoder_start_id: int
    multiple_of: int = 8

    def __call__(self, features: Features) -> Batch:
        """A batch of features with `input_ids` and `labels`."""
        labels = [list(feature["labels"]) for feature in features]
        moved = [[self.decoder_start_id, *row][: len(row)] for row in labels]
        return {
            **inputs(features, self.pad_id, self.multiple_of),
            "decoder_input_ids": padded(moved, self.pad_id, self.multiple_of),
            "labels": padded(labels, IGNORED, self.multiple_of),
        }
