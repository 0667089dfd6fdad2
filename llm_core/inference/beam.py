"""Beam search: the likeliest whole answers instead of the likeliest next tokens, as transformers does it."""

# Shape suffix legend
#   B = batch, W = beams (width), C = continuations kept, M = most new tokens, V = vocabulary

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from llm_core.errors import InputError
from llm_core.inference.rows import Rows, ending_tokens, keep_rules, padding_token
from llm_core.model.heads import CausalLM, Seq2SeqLM
from llm_core.types import CancelToken

_NEVER = -1e9
"""A score that no hypothesis has: sums stay finite, unlike with -inf."""


@dataclass(frozen=True, kw_only=True)
class BeamSettings:
    """How to search.

    Raises:
        InputError: There is no beam or no token.
    """

    beams: int = 4
    max_new_tokens: int = 256
    length_penalty: float = 1.0
    """A hypothesis of n tokens scores its log-probability / n ** length_penalty; above 0 favours long ones."""
    early_stopping: bool | Literal["never"] = False
    """True: stop when every beam has ended. False: when the running best cannot win at its present length.
    "never": when it cannot win at any length."""
    repeat_penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.beams < 1 or self.max_new_tokens < 1:
            raise InputError("beams", "and max_new_tokens must be at least 1", (self.beams, self.max_new_tokens))


@dataclass
class _Beams:
    tokens: Tensor  # (B, W, M)
    scores: Tensor  # (B, W)
    ended: Tensor  # (B, W): of the finished ones, which there are

    def take(self, best: int) -> _Beams:
        """The `best` of each row by score."""
        scores, order = self.scores.topk(best)
        tokens = self.tokens.gather(1, order[..., None].expand(-1, -1, self.tokens.shape[2]))
        return _Beams(tokens, scores, self.ended.gather(1, order))


@torch.inference_mode()
def beam_search(
    model: CausalLM | Seq2SeqLM,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    *,
    settings: BeamSettings,
    eos: Sequence[int] | None = None,
    cancel: CancelToken | None = None,
    static_cache: bool = True,
) -> tuple[Tensor, Tensor]:
    """The best hypothesis of each row: (B, T) new tokens, padded on the right, and (B,) scores; see `generate`."""
    B, W, M = len(input_ids), settings.beams, settings.max_new_tokens
    rows, ends = Rows(model, input_ids, attention_mask, M, static_cache), ending_tokens(model, eos)
    device = input_ids.device
    ends_tensor = torch.tensor(ends, dtype=torch.long, device=device)
    blank = torch.full((B, W, M), padding_token(model, ends), device=device)
    scores = torch.full((B, W), _NEVER, device=device)
    finished = _Beams(blank, scores, torch.zeros(B, W, dtype=torch.bool, device=device))
    running = _Beams(blank, scores.index_fill(1, torch.tensor([0], device=device), 0.0), finished.ended)
    open_B1 = torch.ones(B, 1, dtype=torch.bool, device=device)
    first_row_BW = torch.arange(B, device=device)[:, None] * W
    for i in range(M):
        if cancel is not None:
            cancel.check()
        log_p = rows.read().log_softmax(-1)
        if i == 0:  # the prompt was read once; from here each row is there once a beam
            each = torch.arange(B, device=device).repeat_interleave(W)
            rows.select(each)
            log_p = log_p[each]
        log_p = keep_rules(log_p, rows, settings.repeat_penalty, i + 1 == M, ends)
        grown, parents_BC = _grow(running, log_p.view(B, W, -1), i, max(2, 1 + len(ends)) * W)
        grown.ended = torch.isin(grown.tokens[:, :, i], ends_tensor) | (i + 1 == M)
        finished = _finish(finished, grown, open_B1, i + 1, settings)
        running_scores, order = (grown.scores + grown.ended * _NEVER).topk(W)
        tokens = grown.tokens.gather(1, order[..., None].expand(-1, -1, M))
        running = _Beams(tokens, running_scores, grown.ended.gather(1, order))
        open_B1 = open_B1 & _can_improve(running, finished, i + 1, settings)
        full = settings.early_stopping is True and bool(finished.ended.all())
        if full or not open_B1.any() or grown.ended.all():
            break
        rows.select((parents_BC.gather(1, order) + first_row_BW).flatten(), same_source=True)
        rows.append(running.tokens[:, :, i].flatten())
    return finished.tokens[:, 0, : i + 1], finished.scores[:, 0]


def _grow(running: _Beams, log_p_BWV: Tensor, i: int, keep: int) -> tuple[_Beams, Tensor]:
    """The `keep` best continuations of all beams of a row, and the beam that each comes from, (B, C)."""
    V, M = log_p_BWV.shape[2], running.tokens.shape[2]
    scores_BC, chosen = (log_p_BWV + running.scores[..., None]).flatten(1).topk(keep)
    parents_BC = chosen // V
    tokens = running.tokens.gather(1, parents_BC[..., None].expand(-1, -1, M)).clone()
    tokens[:, :, i] = chosen % V
    return _Beams(tokens, scores_BC, torch.zeros_like(parents_BC, dtype=torch.bool)), parents_BC


def _finish(finished: _Beams, grown: _Beams, open_B1: Tensor, length: int, settings: BeamSettings) -> _Beams:
    """The best W of those finished before and those of the first W continuations that just ended."""
    just = grown.ended & (torch.arange(grown.ended.shape[1], device=grown.ended.device) < settings.beams)
    closed_B1 = ~open_B1
    if settings.early_stopping is True:
        closed_B1 = closed_B1 | finished.ended.all(-1, keepdim=True)
    scores = grown.scores / length**settings.length_penalty + (closed_B1 | ~just) * _NEVER
    merged = (torch.cat(both, 1) for both in zip(vars(finished).values(), (grown.tokens, scores, just), strict=True))
    return _Beams(*merged).take(settings.beams)


def _can_improve(running: _Beams, finished: _Beams, length: int, settings: BeamSettings) -> Tensor:
    """(B, 1): whether the best running hypothesis may still beat the worst finished one."""
    if settings.early_stopping == "never" and settings.length_penalty > 0:
        length = settings.max_new_tokens
    best = running.scores[:, :1] / length**settings.length_penalty
    worst = torch.where(finished.ended, finished.scores.min(1, keepdim=True).values, _NEVER)
    improves_B1: Tensor = (best > worst).any(-1, keepdim=True)
    return improves_B1
