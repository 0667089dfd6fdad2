"""Masked language modelling (BERT, arXiv:1810.04805): which tokens are hidden, and what stands in their place.

Of each row 15 % of the units are chosen: tokens, or whole words where the features tell where words begin
(`words.word_starts`), in all rows or a share of them. Of the chosen tokens 80 % become the mask, 10 % a random token,
10 % stay; special tokens never.

A row's mask depends on seed, epoch and the row's tokens alone; not on the batch, the process or what was drawn before.
So a resumed run hides the same tokens as one that was never stopped. (The global generator would not do: the data
loader reads one batch ahead of the checkpoint, and draws what the resumed run would need.)

The module knows no tokenizer and no model: ids of special tokens are given.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llm_core.data.collators import Batch, Features, inputs
from llm_core.errors import InputError

Integers = NDArray[np.int64]
Places = NDArray[np.bool_]


@dataclass
class MaskedLMCollator:
    """Pads and masks.

    Gives ``input_ids`` (B, T) with tokens hidden, ``attention_mask`` (B, T) where there is padding,
    ``logit_positions`` (B, T), bool: the chosen tokens, and ``labels`` (N,): what stood there, row by row.
    """

    mask_id: int
    pad_id: int
    vocab_size: int
    special_ids: Sequence[int]
    """Never chosen, and never the random token."""
    share: float = 0.15
    """Expected share of the tokens that are chosen."""
    whole_words: float = 1.0
    """Share of the rows with `word_starts` in which whole words are chosen; in the others, tokens."""
    seed: int = 0
    multiple_of: int = 8
    epoch: int = 0
    """Set by `set_epoch`; for validation it stays as it is, so that every evaluation hides the same tokens."""
    _is_ordinary: Places = field(init=False, repr=False)
    _ordinary: Integers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises InputError when `share` is no share or the vocabulary has special tokens only."""
        if not 0 < self.share < 1:
            raise InputError("share", "must be between 0 and 1", self.share)
        self._is_ordinary = np.ones(self.vocab_size, dtype=bool)
        self._is_ordinary[list(self.special_ids)] = False
        self._ordinary = np.flatnonzero(self._is_ordinary)
        if not len(self._ordinary):
            raise InputError("vocab_size", "must be larger than the number of special tokens", self.vocab_size)

    def set_epoch(self, epoch: int) -> None:
        """Another mask for each epoch; called by the sampler (`batches.EpochSampler`)."""
        self.epoch = epoch

    def __call__(self, features: Features) -> Batch:
        """A batch of features with `input_ids`, and `word_starts` when whole words are to be hidden."""
        rows = [np.asarray(feature["input_ids"], dtype=np.int64) for feature in features]
        draws = [self._generator(row) for row in rows]
        chosen = [self._chosen(f, row, draw) for f, row, draw in zip(features, rows, draws, strict=True)]
        if not any(places.any() for places in chosen):  # a loss over no token is no number
            _choose_one(chosen, [self._is_ordinary[row] for row in rows])
        hidden = [self._hidden(*drawn) for drawn in zip(rows, chosen, draws, strict=True)]
        shown = [{**feature, "input_ids": row.tolist()} for feature, row in zip(features, hidden, strict=True)]
        batch = inputs(shown, self.pad_id, self.multiple_of)
        positions = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
        for number, places in enumerate(chosen):
            positions[number, : len(places)] = torch.from_numpy(places)
        labels = np.concatenate([row[places] for row, places in zip(rows, chosen, strict=True)])
        return {**batch, "logit_positions": positions, "labels": torch.from_numpy(labels)}

    def _generator(self, row: Integers) -> np.random.Generator:
        return np.random.default_rng((self.seed, self.epoch, zlib.crc32(row.tobytes())))

    def _chosen(self, feature: dict[str, Any], row: Integers, draw: np.random.Generator) -> Places:
        """(T,): a share of the row's units; a fraction of a unit is rounded up or down by chance."""
        maskable = self._is_ordinary[row]
        by_word = "word_starts" in feature and (self.whole_words == 1 or draw.random() < self.whole_words)
        starts = np.asarray(feature["word_starts"] if by_word else np.ones(len(row)), dtype=bool)
        # a special token ends the word before it: what follows it begins anew
        starts = starts | ~np.concatenate(([False], maskable[:-1]))
        unit_of = np.cumsum(starts & maskable)  # (T,): the unit of each maskable token, from 1
        units = int(unit_of[-1]) if len(row) else 0
        taken = np.zeros(units + 1, dtype=bool)
        taken[1 + draw.permutation(units)[: int(units * self.share + draw.random())]] = True
        return maskable & taken[unit_of]

    def _hidden(self, row: Integers, places: Places, draw: np.random.Generator) -> Integers:
        """(T,): the row with the chosen places hidden 80/10/10."""
        chance, count = draw.random(len(row)), len(row)
        others = self._ordinary[draw.integers(len(self._ordinary), size=count)]
        replaced = np.where(chance < 0.8, self.mask_id, others)
        return np.where(places & (chance < 0.9), replaced, row)


def _choose_one(chosen: Sequence[Places], maskable: Sequence[Places]) -> None:
    for places, possible in zip(chosen, maskable, strict=True):
        if possible.any():
            places[int(possible.argmax())] = True
            return
