"""Which token comes next: filters, seeded draws and likelihoods for the rows of a batch, each with its own settings.

One answer and many at once go through the same code, so a seed gives the same text either way as long as the logits
are the same. Filters are transformers'.

Shape legend: B = rows, T = tokens of the longest row, V = vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from llm_core.errors import BackendError
from llm_core.types import Sampling


@dataclass(frozen=True, slots=True)
class Choice:
    """The next token of a row."""

    token_id: int
    probability: float | None = None
    """What the model gave it, before filters; ``None`` when not asked for."""
    alternatives: tuple[tuple[int, float], ...] = ()
    """The likeliest ids with their probabilities, best first."""


class Row:
    """An answer being written.

    Args:
        ids: The prompt; chosen tokens are added.
        sampling: How they are chosen.
        device: torch device of the logits.
    """

    def __init__(self, ids: Sequence[int], sampling: Sampling, device: str) -> None:
        self.ids = list(ids)
        self.sampling = sampling
        self.random = torch.Generator(device)
        self.random.seed() if sampling.seed is None else self.random.manual_seed(sampling.seed)

    @property
    def rules(self) -> tuple[float, int, float, float]:
        """Rows of equal rules are filtered together."""
        settings = self.sampling
        return settings.temperature, settings.top_k, settings.top_p, settings.repeat_penalty


def choose(logits_BV: Tensor, rows: Sequence[Row]) -> list[Choice]:
    """The next token of each row, which it gets added.

    Raises:
        BackendError: A row has logits that are no numbers.
    """
    chosen_B = torch.empty(len(rows), dtype=torch.long, device=logits_BV.device)
    for places in _places_by_rules(rows):
        some = [rows[place] for place in places]
        chosen_B[places] = _drawn(_filtered(logits_BV[places], some), some)
    top_B = logits_BV.max(-1).values
    likelihoods = _likelihoods(logits_BV, chosen_B, rows)
    if not bool(torch.isfinite(top_B).all()):
        raise BackendError("the model computed something that is no number")
    choices = [
        Choice(token_id, *likelihood) for token_id, likelihood in zip(chosen_B.tolist(), likelihoods, strict=True)
    ]
    for row, choice in zip(rows, choices, strict=True):
        row.ids.append(choice.token_id)
    return choices


def _places_by_rules(rows: Sequence[Row]) -> Iterator[list[int]]:
    groups: dict[Any, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.rules, []).append(place)
    yield from groups.values()


def _filtered(logits_BV: Tensor, rows: Sequence[Row]) -> Tensor:
    filters: Any = _filters(rows[0].sampling)
    if not filters:
        return logits_BV
    ids_BT = _padded_ids(rows) if rows[0].sampling.repeat_penalty != 1.0 else [[0]] * len(rows)
    filtered: Tensor = filters(torch.tensor(ids_BT, device=logits_BV.device), logits_BV)
    return filtered


def _padded_ids(rows: Sequence[Row]) -> list[list[int]]:
    """Ids of each row, filled up with one of its own: what occurs twice is punished once."""
    longest = max(len(row.ids) for row in rows)
    return [row.ids + row.ids[:1] * (longest - len(row.ids)) for row in rows]


def _filters(sampling: Sampling) -> LogitsProcessorList:
    filters = LogitsProcessorList()
    if sampling.repeat_penalty != 1.0:
        filters.append(RepetitionPenaltyLogitsProcessor(sampling.repeat_penalty))
    if sampling.temperature > 0:
        if sampling.top_k:
            filters.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1.0:
            filters.append(TopPLogitsWarper(sampling.top_p))
        filters.append(TemperatureLogitsWarper(sampling.temperature))
    return filters


def _drawn(logits_BV: Tensor, rows: Sequence[Row]) -> Tensor:
    """Ids, (B,). A draw is the first of exponential clocks to ring, as in `torch.multinomial`, which would stop a GPU
    for good on what is no number."""
    if rows[0].sampling.temperature <= 0:
        return logits_BV.argmax(-1)
    probabilities_BV = logits_BV.softmax(-1)
    clocks_BV = torch.empty_like(probabilities_BV)
    for clocks_V, row in zip(clocks_BV, rows, strict=True):
        clocks_V.exponential_(generator=row.random)
    return (probabilities_BV / clocks_BV).argmax(-1)


def _likelihoods(
    logits_BV: Tensor, chosen_B: Tensor, rows: Sequence[Row]
) -> list[tuple[float | None, tuple[tuple[int, float], ...]]]:
    """Of the chosen token and of the likeliest ones, for the rows that ask for them."""
    found: list[tuple[float | None, tuple[tuple[int, float], ...]]] = [(None, ()) for _ in rows]
    places = [place for place, row in enumerate(rows) if row.sampling.top_alternatives]
    if not places:
        return found
    p_BV = logits_BV[places].softmax(-1)
    count = min(max(rows[place].sampling.top_alternatives for place in places), p_BV.shape[-1])
    best = p_BV.topk(count)
    own = p_BV.gather(1, chosen_B[places][:, None])[:, 0].tolist()
    for place, p, ids, values in zip(places, own, best.indices.tolist(), best.values.tolist(), strict=True):
        wanted = rows[place].sampling.top_alternatives
        found[place] = p, tuple(zip(ids[:wanted], values[:wanted], strict=True))
    return found
