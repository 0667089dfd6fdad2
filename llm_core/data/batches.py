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
    """Steps of at most `max_tokens` tokens with padding, each cut into a micro-batch for every process.

    Rows are sorted by length (chance decides among equals), cut into steps once, and the steps' order is drawn anew
    each epoch, as in fairseq: each epoch has the same number of steps, which schedules and resuming need. Any number of
    processes makes the same steps of the same rows. It is a batch sampler:
    ``DataLoader(rows, batch_sampler=TokenBudgetSampler(…))``.
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
            max_tokens: Upper bound of rows × longest row, padded, in a step of all processes.
            seed: Of the order.
            multiple_of: Rows are padded to a multiple of this.
            processes: Micro-batches of a step, of as many rows or one fewer; accelerate deals them out. The longest
                rows are left out where they are too few to give each process one.
            followers: Told of each epoch too.
            short_first: So many steps at the beginning of the first epoch are of the shorter half.

        Raises:
            InputError: A row alone is over a process's share of the budget, or the rows make no step.
        """
        self.seed, self.epoch, self.followers, self.short_first = seed, 0, tuple(followers), short_first
        self.processes = processes
        padded = -(-np.asarray(lengths, dtype=np.int64) // multiple_of) * multiple_of
        if len(padded) and padded.max() > max_tokens // processes:
            rule = f"must be at least {padded.max() * processes}, the longest row padded"
            raise InputError(
                "max_tokens", rule + (f", for each of {processes} processes" if processes > 1 else ""), max_tokens
            )
        self.steps = [step for step in _cut(padded, max_tokens, seed) if len(step) >= processes]
        if len(padded) and not self.steps:
            raise InputError("processes", f"{len(padded)} rows are too few for", processes)

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        self.epoch = epoch
        for follower in self.followers:
            follower.set_epoch(epoch)

    def __len__(self) -> int:
        """Micro-batches of an epoch, over all processes."""
        return len(self.steps) * self.processes

    def __iter__(self) -> Iterator[list[int]]:
        """Row indices of each micro-batch."""
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.steps))
        if self.epoch == 0:
            early = order[order < len(self.steps) // 2][: self.short_first]  # the steps are of rising length
            order = np.concatenate([early, order[~np.isin(order, early)]])
        return (share for place in order for share in cut_evenly(self.steps[place], self.processes))


def cut_evenly(rows: Sequence[int], count: int) -> Iterator[list[int]]:
    """So many parts, in order, whose sizes differ by one at most."""
    return (list(rows[part * len(rows) // count : (part + 1) * len(rows) // count]) for part in range(count))


def _cut(padded: np.ndarray, max_tokens: int, seed: int) -> list[list[int]]:
    """Steps of rising length: the last row of each is its longest."""
    chance = np.random.default_rng(seed).permutation(len(padded))
    steps: list[list[int]] = []
    for row in chance[np.argsort(padded[chance], kind="stable")].tolist():
        if steps and (len(steps[-1]) + 1) * padded[row] <= max_tokens:
            steps[-1].append(row)
        else:
            steps.append([row])
    return steps
