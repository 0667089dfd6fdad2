"""How the next token is chosen from logits; pure functions, in transformers' order and meaning.

The order is: repetition penalty, temperature, top-k, top-p, drawing.
"""

# Shape suffix legend
#   B = batch, V = vocabulary, S = tokens so far, C = candidates

from __future__ import annotations

import math

import torch
from torch import Tensor

from llm_core.types import Sampling


def penalise_repetition(logits_BV: Tensor, seen_BS: Tensor, penalty: float) -> Tensor:
    """(B, V): tokens of `seen_BS` made less likely: positive logits divided by `penalty`, negative multiplied.

    Keskar et al. 2019 (arXiv:1909.05858). Padding counts as seen, as in transformers.
    """
    logits_BS = logits_BV.gather(1, seen_BS)
    return logits_BV.scatter(1, seen_BS, torch.where(logits_BS < 0, logits_BS * penalty, logits_BS / penalty))


def candidates(
    logits_BV: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Logits of the tokens that may be drawn, divided by `temperature`, and their ids; (B, C), best first.

    The `top_k` likeliest (0: all), and of these the fewest whose probability reaches `top_p` (Holtzman et al. 2020,
    arXiv:1904.09751); others have a logit of -inf. The best token always stays.
    """
    V = logits_BV.shape[-1]
    if not top_k and top_p >= 1.0:  # nothing is left out: no need to sort
        return logits_BV / temperature, torch.arange(V, device=logits_BV.device).expand_as(logits_BV)
    logits_BC, ids_BC = (logits_BV / temperature).topk(min(top_k or V, V))
    if top_p < 1.0:
        probabilities_BC = logits_BC.softmax(-1)
        before_BC = probabilities_BC.cumsum(-1) - probabilities_BC
        outside_BC = before_BC >= top_p
        outside_BC[:, 0] = False
        logits_BC = logits_BC.masked_fill(outside_BC, -math.inf)
    return logits_BC, ids_BC


def choose(logits_BV: Tensor, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
    """(B,) token ids: the best of each row at temperature 0, otherwise drawn."""
    if sampling.temperature == 0:
        return logits_BV.argmax(-1)
    logits_BC, ids_BC = candidates(logits_BV, sampling.temperature, sampling.top_k, sampling.top_p)
    return ids_BC.gather(1, torch.multinomial(logits_BC.softmax(-1), 1, generator=generator))[:, 0]
