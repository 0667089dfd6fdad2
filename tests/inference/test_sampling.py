"""Sampling filters against transformers' logits processors, and the distribution that is drawn."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from llm_core.inference.sampling import candidates, choose, penalise_repetition
from llm_core.types import Sampling


def logits() -> torch.Tensor:
    return 2 * torch.randn(3, 50, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("temperature", [0.6, 1.4])
@pytest.mark.parametrize("top_k", [0, 1, 7, 80])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.3, 0.001])
def test_candidates_are_those_of_transformers(temperature: float, top_k: int, top_p: float) -> None:
    steps = [TemperatureLogitsWarper(temperature)]
    steps += [TopKLogitsWarper(top_k)] if top_k else []
    steps += [TopPLogitsWarper(top_p)] if top_p < 1 else []
    expected = LogitsProcessorList(steps)(torch.zeros(3, 1, dtype=torch.long), logits()).softmax(-1)
    values, ids = candidates(logits(), temperature, top_k, top_p)
    torch.testing.assert_close(torch.zeros(3, 50).scatter(1, ids, values.softmax(-1)), expected)


def test_the_repetition_penalty_is_that_of_transformers() -> None:
    seen = torch.tensor([[1, 2, 2], [3, 4, 5], [49, 0, 49]])
    expected = RepetitionPenaltyLogitsProcessor(1.3)(seen, logits())
    torch.testing.assert_close(penalise_repetition(logits(), seen, 1.3), expected, rtol=0, atol=0)


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (5, 1.0), (0, 0.8), (10, 0.9)])
def test_tokens_are_drawn_by_their_probabilities(top_k: int, top_p: float) -> None:
    draws, row = 20_000, logits()[:1]
    values, ids = candidates(row, 0.8, top_k, top_p)
    expected = torch.zeros(50).scatter(0, ids[0], values[0].softmax(-1))
    sampling = Sampling(temperature=0.8, top_k=top_k, top_p=top_p)
    drawn = choose(row.expand(draws, -1), sampling, torch.Generator().manual_seed(1)).bincount(minlength=50) / draws
    assert (drawn[expected == 0] == 0).all()
    five_sigma = 5 * (expected * (1 - expected) / draws).sqrt() + 1e-6
    assert ((drawn - expected).abs() <= five_sigma).all()


def test_temperature_zero_takes_the_best() -> None:
    assert torch.equal(choose(logits(), Sampling(temperature=0)), logits().argmax(-1))
