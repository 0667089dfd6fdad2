"""Masked LM: the shares, what is never hidden, whole words, and that chance hangs on seed, epoch and row alone."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_core.data.collators import Batch
from llm_core.data.masking import MaskedLMCollator
from llm_core.errors import InputError

PAD, CLS, SEP, MASK, VOCABULARY = 0, 1, 2, 3, 1000
SPECIAL = (PAD, CLS, SEP, MASK)


def _collator(**options: Any) -> MaskedLMCollator:
    return MaskedLMCollator(MASK, PAD, VOCABULARY, SPECIAL, **options)


def _rows(count: int, low: int = 5, high: int = 200, seed: int = 0) -> list[dict[str, list[int]]]:
    draw = random.Random(seed)
    sizes = (draw.randint(low, high) for _ in range(count))
    return [{"input_ids": [CLS, *(draw.randrange(4, VOCABULARY) for _ in range(size)), SEP]} for size in sizes]


def _originals(rows: list[dict[str, list[int]]], batch: Batch) -> torch.Tensor:
    width = batch["input_ids"].shape[1]
    return torch.tensor([row["input_ids"] + [PAD] * (width - len(row["input_ids"])) for row in rows])


def _with_words(rows: list[dict[str, list[int]]]) -> list[dict[str, list[int]]]:
    draw = random.Random(1)
    return [{**row, "word_starts": [int(draw.random() < 0.6) for _ in row["input_ids"]]} for row in rows]


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize(("low", "high"), [(3, 10), (20, 200)])
def test_the_shares_are_berts(whole_words: bool, low: int, high: int) -> None:
    rows = _rows(220_000 // (low + high), low, high)
    batch = _collator()(_with_words(rows) if whole_words else rows)
    tokens = sum(len(row["input_ids"]) - 2 for row in rows)
    assert tokens > 1e5
    before, after, chosen = _originals(rows, batch), batch["input_ids"], batch["logit_positions"]
    assert chosen.sum() / tokens == pytest.approx(0.15, abs=0.005)
    masked, kept = (after[chosen] == MASK), (after[chosen] == before[chosen])
    assert masked.float().mean() == pytest.approx(0.8, abs=0.01)
    assert kept.float().mean() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(batch["labels"], before[chosen])
    assert torch.equal(after[~chosen], before[~chosen])


def test_special_tokens_are_neither_hidden_nor_drawn() -> None:
    rows = _rows(500)
    batch = _collator(share=0.9)(rows)
    assert not torch.isin(batch["labels"], torch.tensor(SPECIAL)).any()
    replaced = batch["input_ids"][batch["logit_positions"]]
    assert not torch.isin(replaced, torch.tensor([PAD, CLS, SEP])).any()


def test_whole_words_are_hidden_whole() -> None:
    rows = _with_words(_rows(50))
    chosen = _collator()(rows)["logit_positions"]
    broken = whole = 0
    for row, places in zip(rows, chosen.tolist(), strict=True):
        for place in range(2, len(row["input_ids"]) - 1):  # the first piece after [CLS] begins a word in any case
            if not row["word_starts"][place]:
                broken += places[place] != places[place - 1]
                whole += places[place] and places[place - 1]
    assert broken == 0
    assert whole > 100


def test_a_share_of_the_rows_hides_whole_words() -> None:
    rows = _with_words(_rows(400, low=100))
    places = _collator(whole_words=0.7)(rows)["logit_positions"].tolist()
    inner = [[at for at in range(2, len(row["input_ids"]) - 1) if not row["word_starts"][at]] for row in rows]
    broken = [any(p[at] != p[at - 1] for at in own) for p, own in zip(places, inner, strict=True)]
    assert sum(broken) / len(rows) == pytest.approx(0.3, abs=0.07)


@given(order=st.permutations(range(6)))
def test_a_rows_mask_depends_on_no_other_row(order: list[int]) -> None:
    rows, collator = _rows(6), _collator(seed=3)
    batch, mixed = collator(rows), collator([rows[i] for i in order])
    for place, number in enumerate(order):
        assert torch.equal(mixed["input_ids"][place], batch["input_ids"][number])


def test_each_epoch_and_each_seed_hides_other_tokens() -> None:
    rows, collator = _rows(8, low=100), _collator(seed=3)
    torch.manual_seed(0)
    first = collator(rows)["input_ids"]
    torch.manual_seed(1)
    assert torch.equal(collator(rows)["input_ids"], first), "the global generator has no say"
    collator.set_epoch(1)
    assert not torch.equal(collator(rows)["input_ids"], first)
    collator.set_epoch(0)
    assert torch.equal(collator(rows)["input_ids"], first)
    assert not torch.equal(_collator(seed=4)(rows)["input_ids"], first)


def test_a_batch_always_has_something_to_guess() -> None:
    rows = [{"input_ids": [CLS, SEP]}, {"input_ids": [CLS, 7, SEP]}]
    for seed in range(20):
        batch = _collator(seed=seed)(rows)
        assert batch["labels"].tolist() == [7]
        assert batch["logit_positions"].nonzero().tolist() == [[1, 1]]


def test_a_batch_of_special_tokens_has_nothing_to_guess() -> None:
    assert _collator()([{"input_ids": [CLS, SEP]}])["labels"].tolist() == []


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="share: must be between 0 and 1"):
        _collator(share=0.0)
    with pytest.raises(InputError, match="vocab_size: must be larger than the number of special tokens"):
        MaskedLMCollator(MASK, PAD, 4, SPECIAL)
