r"""Attention: each token gathers from others, weighted by how well its query meets their keys (arXiv:1706.03762).

.. math:: \mathrm{attention}(Q, K, V) = \mathrm{softmax}(Q K^\top / \sqrt{d_k})\, V

Two paths compute it: torch's fused kernel, and the formula as written, whose weights the explaining views show. They
agree to 1e-5 in float32. A row that may look at nothing (padding) gives zeros in both.
"""

# Shape suffix legend
#   B = batch, T = tokens that ask, S = tokens that are looked at, D = hidden size,
#   N = query heads, K = key/value heads, G = N / K, H = head dimension

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from llm_core.model.cache import LayerCache
from llm_core.model.config import ModelConfig


@dataclass
class Trace:
    """What a forward pass leaves behind for the explaining views; one entry a layer, in order."""

    hidden_states: list[Tensor] = field(default_factory=list)
    """(B, T, D): the embedding, then each layer's output."""
    attentions: list[Tensor] = field(default_factory=list)
    """(B, N, T, S), rows sum to one: self-attention."""
    cross_attentions: list[Tensor] = field(default_factory=list)
    """(B, N, T, S): from the decoder's tokens to the encoder's."""


@dataclass(frozen=True)
class Visibility:
    """Which tokens a token may look at."""

    mask: Tensor | None = None
    """Broadcast to (B, 1, T, S), True where looking is allowed; None: everywhere."""
    causal: bool = False
    """No token looks ahead; the fused kernel's fast path, instead of a mask."""

    def as_mask(self, T: int, S: int, device: torch.device) -> Tensor | None:
        """The rule as a mask, whichever way it is given."""
        return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T) if self.causal else self.mask


class Attention(nn.Module):
    """Multi-head attention, grouped-query when there are fewer key/value heads than query heads."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config, self.fused = config, True
        D, N, K, H = config.hidden_size, config.num_heads, config.num_kv_heads, config.head_dim
        self.query = nn.Linear(D, N * H, bias=config.bias)
        self.key = nn.Linear(D, K * H, bias=config.bias)
        self.value = nn.Linear(D, K * H, bias=config.bias)
        self.output = nn.Linear(N * H, D, bias=config.bias)

    def forward(
        self,
        x_BTD: Tensor,
        visible: Visibility,
        *,
        memory_BSD: Tensor | None = None,
        rotation: tuple[Tensor, Tensor] | None = None,
        cache: LayerCache | None = None,
        weights: list[Tensor] | None = None,
    ) -> Tensor:
        """(B, T, D).

        Args:
            x_BTD: The tokens that ask.
            visible: What they may look at.
            memory_BSD: What they look at; None: themselves (and what the cache holds).
            rotation: Cosines and sines of `rotary_angles`; None: no rotary positions.
            cache: Keys and values of earlier tokens.
            weights: A list that takes the attention weights, (B, N, T, S).
        """
        q_BNTH = self._heads(self.query(x_BTD), self.config.num_heads)
        if rotation is not None:
            q_BNTH = rotate(q_BNTH, rotation)
        if memory_BSD is None:
            k, v = self._keys_values(x_BTD, rotation)
            k, v = (k, v) if cache is None else cache.extend(k, v)
        elif cache is None:
            k, v = self._keys_values(memory_BSD, None)
        else:
            cache.memory = k, v = cache.memory or self._keys_values(memory_BSD, None)
        out_BNTH = self._attend(q_BNTH, k, v, visible, weights)
        return self.output(out_BNTH.transpose(1, 2).flatten(2))

    def _heads(self, x_BTD: Tensor, heads: int) -> Tensor:
        return x_BTD.view(*x_BTD.shape[:2], heads, -1).transpose(1, 2)

    def _keys_values(self, x_BSD: Tensor, rotation: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        K = self.config.num_kv_heads
        k_BKSH, v_BKSH = self._heads(self.key(x_BSD), K), self._heads(self.value(x_BSD), K)
        return (k_BKSH if rotation is None else rotate(k_BKSH, rotation)), v_BKSH

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, visible: Visibility, weights: list[Tensor] | None) -> Tensor:
        p = self.config.attention_dropout if self.training else 0.0
        if self.fused and weights is None:
            return fused_attention(q, k, v, visible, p)
        G = self.config.num_heads // self.config.num_kv_heads
        k, v = k.repeat_interleave(G, dim=1), v.repeat_interleave(G, dim=1)
        w_BNTS = attention_weights(q, k, visible.as_mask(q.shape[2], k.shape[2], q.device))
        if weights is not None:
            weights.append(w_BNTS)
        return dropout(w_BNTS, p) @ v


def fused_attention(q: Tensor, k: Tensor, v: Tensor, visible: Visibility, p: float = 0.0) -> Tensor:
    """(B, N, T, H) by torch's kernel, of queries (B, N, T, H) and keys and values (B, K, S, H); `p` is dropout's."""
    K, G = k.shape[1], q.shape[1] // k.shape[1]
    if q.shape[2] == 1:  # a group's heads ask as if they were G tokens: nothing is repeated
        q_BKGH = q.reshape(-1, K, G, q.shape[3])
        return scaled_dot_product_attention(q_BKGH, k, v, visible.mask, p).reshape(q.shape)
    if G > 1:
        k, v = k.repeat_interleave(G, dim=1), v.repeat_interleave(G, dim=1)
    return scaled_dot_product_attention(q, k, v, visible.mask, p, visible.causal)


def attention_weights(q_BNTH: Tensor, k_BNSH: Tensor, mask: Tensor | None = None) -> Tensor:
    r""":math:`\mathrm{softmax}(Q K^\top / \sqrt{d_k})`, (B, N, T, S); a row with nothing to look at is all zeros."""
    scores_BNTS = q_BNTH @ k_BNSH.transpose(-1, -2) / math.sqrt(q_BNTH.shape[-1])
    if mask is None:
        return scores_BNTS.softmax(-1)
    return scores_BNTS.masked_fill(~mask, -math.inf).softmax(-1).masked_fill(~mask, 0.0)


def rotary_angles(config: ModelConfig) -> tuple[Tensor, Tensor]:
    r"""Cosines and sines of rotary positions (arXiv:2104.09864), (max_positions, H) each.

    Pair i of a head turns by :math:`p\,\theta^{-2i/H}` at position p; pairs are (i, i + H/2), as in Llama on the Hub.
    The first half of the sines is negated, as turning needs it.
    """
    H = config.head_dim
    frequencies = config.rope_theta ** -(torch.arange(0, H, 2, dtype=torch.float32) / H)
    angles = torch.outer(torch.arange(config.max_positions, dtype=torch.float32), frequencies).repeat(1, 2)
    sines = angles.sin()
    sines[:, : H // 2].neg_()
    return angles.cos(), sines


def rotate(x_BNTH: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turns each head's pairs by their position's angle; `rotation` broadcasts to (B, 1, T, H)."""
    swapped_BNTH = x_BNTH.roll(x_BNTH.shape[-1] // 2, dims=-1)  # each number's partner in its pair
    return x_BNTH * rotation[0] + swapped_BNTH * rotation[1]
