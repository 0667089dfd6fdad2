"""Which rows make a batch: rows of similar length together, so that little padding is computed.

Both samplers give an order that depends on the seed and the epoch alone, so that a resumed run sees just the rows that
are left; torch's own random sampler draws from the global generator, which a resume shifts.
The module knows lengths, not rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import LengthGroupedSampler

from llm_core.errors import InputError


class FollowsEpoch(Protocol):
    """Something whose draws depend on the epoch, such as `masking.MaskedLMCollator`."""

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch, from 0."""


class EpochSampler(LengthGroupedSampler):
    """Rows, such that each `batch_size` in a row are of similar length (random within some 50 batches)."""

    def __init__(self, seed: int, batch_size: int, lengths: list[int], followers: Sequence[FollowsEpoch] = ()) -> None:
        """
        Args:
            seed: Of the order.
            batch_size: Rows of an optimiser step, over all micro-batches and processes.
            lengths: Tokens of each row.
            followers: Told of each epoch too: accelerate tells the sampler, and nobody else.
        """
        super().__init__(batch_size, lengths=lengths)
        self.seed, self.followers = seed, tuple(followers)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        self.generator = torch.Generator().manual_seed(self.seed + epoch)
        for follower in self.followers:
            follower.set_epoch(epoch)


class TokenBudgetSampler(Sampler[list[int]]):
    """Batches that hold at most `max_tokens` tokens with padding, of as many rows as that allows.

    Rows are sorted by length (chance decides among equals), cut into batches once, and the batches' order is drawn
    anew each epoch, as in fairseq: each epoch has the same number of steps, which schedules and resuming need.
    It is a batch sampler: ``DataLoader(rows, batch_sampler=TokenBudgetSampler(…))``.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        max_tokens: int,
        seed: int,
        multiple_of: int = 8,
        processes: int = 1,
        followers: Sequence[FollowsEpoch] = (),
        short_first: int = 0,
    ) -> None:
        """
        Args:
            lengths: Tokens of each row.
            max_tokens: Upper bound of rows × longest row, padded.
            seed: Of the order.
            multiple_of: Rows are padded to a multiple of this.
            processes: The number of batches is made a multiple of it by halving the largest, so that all processes
                make as many steps; accelerate then deals the batches out.
            followers: Told of each epoch too.
            short_first: So many batches at the beginning of the first epoch are of the shorter half.

        Raises:
            InputError: A row alone is over the budget, or the rows are too few to give each process as many batches.
        """
        self.seed, self.epoch, self.followers, self.short_first = seed, 0, tuple(followers), short_first
        padded = -(-np.asarray(lengths, dtype=np.int64) // multiple_of) * multiple_of
        if len(padded) and padded.max() > max_tokens:
            raise InputError("max_tokens", f"must be at least {padded.max()}, the longest row padded", max_tokens)
        self.batches = _evened(_cut(padded, max_tokens, seed), processes)

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        self.epoch = epoch
        for follower in self.followers:
            follower.set_epoch(epoch)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        """Row indices of each batch."""
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.batches))
        if self.epoch == 0:
            early = order[order < len(self.batches) // 2][: self.short_first]  # the batches are of rising length
            order = np.concatenate([early, order[~np.isin(order, early)]])
        return (self.batches[place] for place in order)


def _cut(padded: np.ndarray, max_tokens: int, seed: int) -> list[list[int]]:
    """Batches of rising length: the last row of each is its longest."""
    chance = np.random.default_rng(seed).permutation(len(padded))
    batches: list[list[int]] = []
    for row in chance[np.argsort(padded[chance], kind="stable")].tolist():
        if batches and (len(batches[-1]) + 1) * padded[row] <= max_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _evened(batches: list[list[int]], processes: int) -> list[list[int]]:
    rows, wanted = sum(map(len, batches)), -(-len(batches) // processes) * processes
    if wanted > rows:
        raise InputError("processes", f"{rows} rows are too few to make {wanted} batches for", processes)
    while len(batches) % processes:
        largest = batches.pop(max(range(len(batches)), key=lambda place: len(batches[place])))
        half = len(largest) // 2
        batches += [largest[:half], largest[half:]]
    return batches
