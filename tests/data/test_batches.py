"""Batches: every row once, little padding, an order of seed and epoch; and a stopped run sees just what is left."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

from llm_core.data.batches import EpochSampler, TokenBudgetSampler
from llm_core.data.masking import MaskedLMCollator
from llm_core.errors import InputError

LENGTHS = st.lists(st.integers(1, 64), max_size=60)


class _Follower:
    epoch = -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def test_rows_of_similar_length_stand_together() -> None:
    draw = random.Random(0)
    lengths = [draw.randint(1, 100) for _ in range(1000)]
    order = list(EpochSampler(0, 10, lengths))
    assert sorted(order) == list(range(1000))
    spreads = [max(part) - min(part) for part in ([lengths[i] for i in order[k : k + 10]] for k in range(0, 1000, 10))]
    assert sum(spreads) / len(spreads) < 15, "at random it is above 80"


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    follower = _Follower()
    sampler = EpochSampler(1, 4, list(range(50)), followers=[follower])
    first = list(sampler)
    assert follower.epoch == 0
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert follower.epoch == 1
    torch.manual_seed(99)
    sampler.set_epoch(0)
    assert list(sampler) == first


@given(lengths=LENGTHS, budget=st.integers(256, 800), processes=st.integers(1, 4), epoch=st.integers(0, 3))
def test_budgets_hold_and_no_row_is_lost(lengths: list[int], budget: int, processes: int, epoch: int) -> None:
    lengths = lengths if len(lengths) >= processes else []  # else they are too few, see below
    sampler = TokenBudgetSampler(lengths, budget, 0, processes=processes)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    rows = [row for batch in batches for row in batch]
    left = sorted(set(range(len(lengths))) - set(rows))
    assert len(rows) == len(set(rows)) and len(left) < processes
    assert not left or min(lengths[row] for row in left) > max(map(lengths.__getitem__, rows)) - 8
    steps = [batches[start : start + processes] for start in range(0, len(batches), processes)]
    assert all(
        sum(map(len, step)) * -(-max(lengths[row] for row in sum(step, [])) // 8) * 8 <= budget for step in steps
    )
    assert all(0 < min(map(len, step)) >= max(map(len, step)) - 1 for step in steps)
    assert len(batches) == len(sampler) == len(steps) * processes


def test_any_number_of_processes_makes_the_same_budget_steps() -> None:
    lengths = [random.Random(7).randint(1, 64) for _ in range(60)]

    def steps(processes: int) -> list[list[int]]:
        batches = list(TokenBudgetSampler(lengths, 256, 0, processes=processes))
        return [sum(batches[start : start + processes], []) for start in range(0, len(batches), processes)]

    assert steps(1) == steps(2) == steps(4)


def test_budget_batches_come_in_another_order_each_epoch() -> None:
    follower = _Follower()
    sampler = TokenBudgetSampler(list(range(1, 65)), 64, 0, followers=[follower])
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert sorted(list(sampler)) == sorted(first)
    assert follower.epoch == 1


@pytest.mark.parametrize("even", [True, False])
def test_accelerate_deals_budget_batches_out_without_loss(even: bool) -> None:
    lengths = [random.Random(0).randint(1, 64) for _ in range(101)]
    sampler = TokenBudgetSampler(lengths, 384, 0, processes=3)
    shares = [list(BatchSamplerShard(sampler, 3, rank, even_batches=even)) for rank in range(3)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(row for share in shares for batch in share for row in batch) == list(range(101))


def test_too_few_rows_for_the_processes_are_refused() -> None:
    with pytest.raises(InputError, match="processes: 2 rows are too few for .got 3."):
        TokenBudgetSampler([64] * 2, 192, 0, processes=3)


def test_a_row_over_the_budget_is_refused() -> None:
    with pytest.raises(InputError, match="max_tokens: must be at least 72, the longest row padded"):
        TokenBudgetSampler([5, 65], 64, 0)
    with pytest.raises(InputError, match="max_tokens: must be at least 144, .*for each of 2 processes"):
        TokenBudgetSampler([5, 65], 143, 0, processes=2)


class _Rows(torch.utils.data.Dataset[dict[str, list[int]]]):
    def __init__(self) -> None:
        draw = random.Random(0)
        self.rows = [[draw.randrange(4, 50) for _ in range(draw.randint(4, 30))] for _ in range(40)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return {"input_ids": self.rows[index]}


class _Guesser(torch.nn.Module):
    """Notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weights, self.seen = torch.nn.Embedding(50, 50), list[Any]()

    def forward(
        self,
        input_ids: torch.Tensor,
        logit_positions: torch.Tensor,
        labels: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
    ) -> dict[str, Any]:
        self.seen.append((input_ids.tolist(), labels.tolist()))
        shaken = torch.nn.functional.dropout(self.weights(input_ids), 0.5)  # moves the global generator
        return {"loss": torch.nn.functional.cross_entropy(shaken[logit_positions], labels)}


class _Sampled(Trainer):
    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        lengths = [len(row) for row in self.train_dataset.rows]
        return EpochSampler(0, 8, lengths, followers=[self.data_collator])


class _Budgeted(Trainer):
    def get_train_dataloader(self) -> Any:
        sampler = TokenBudgetSampler(
            [len(row) for row in self.train_dataset.rows], 120, 0, followers=[self.data_collator]
        )
        loader = DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)
        return self.accelerator.prepare(loader)


@pytest.fixture
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _seen(kind: type[Trainer], folder: Path, resume_from: Path | None) -> list[Any]:
    collator = MaskedLMCollator(3, 0, 50, (0, 1, 2, 3))
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=3,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        save_steps=3,
        save_strategy="steps",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    model = _Guesser()
    trainer = kind(model=model, args=arguments, train_dataset=_Rows(), data_collator=collator)
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    return model.seen


@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("kind", [_Sampled, _Budgeted])
def test_a_resumed_run_is_shown_the_rest_with_the_same_masks(kind: type[Trainer], tmp_path: Path) -> None:
    whole = _seen(kind, tmp_path, None)
    assert len({str(batch) for batch in whole}) == len(whole), "each epoch hides other tokens"
    batches = len(whole) // 3
    steps = -(-batches // 2)  # two batches a step; the last of an epoch may have one
    for step in (3, 6):  # in the first and in the second epoch
        rest = _seen(kind, tmp_path / f"resumed-{step}", tmp_path / f"checkpoint-{step}")
        assert rest == whole[step // steps * batches + step % steps * 2 :]


def test_short_rows_come_first_in_the_first_epoch_only() -> None:
    lengths = [length for length in range(8, 72, 8) for _ in range(16)]
    sampler = TokenBudgetSampler(lengths, 64, seed=3, short_first=5)
    half = len(sampler) // 2
    longest_short = max(lengths[row] for batch in sampler.steps[:half] for row in batch)

    def longest() -> list[int]:
        return [max(lengths[row] for row in batch) for batch in sampler]

    first = longest()
    assert max(first[:5]) <= longest_short < max(first[5:])
    assert sorted(first) == sorted(max(lengths[row] for row in batch) for batch in sampler.steps), "none is lost"
    sampler.set_epoch(1)
    assert max(longest()[:5]) > longest_short, "later epochs are mixed from the start"
