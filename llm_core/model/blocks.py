"""A layer of the Transformer: attention, perhaps cross-attention, feed-forward; each with a residual and a norm."""

# Shape suffix legend
#   B = batch, T = tokens, S = the encoder's tokens, D = hidden size, F = feed-forward width

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu, silu

from llm_core.model.attention import Attention, Trace, Visibility
from llm_core.model.cache import LayerCache
from llm_core.model.config import ModelConfig

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"gelu": gelu, "relu": relu, "silu": silu}


def make_norm(config: ModelConfig) -> nn.Module:
    """LayerNorm (arXiv:1607.06450) or RMSNorm (arXiv:1910.07467) over the hidden size."""
    kind = nn.LayerNorm if config.norm == "layer" else nn.RMSNorm
    return kind(config.hidden_size, eps=config.norm_eps)


class FeedForward(nn.Module):
    """Two linear layers with an activation between, applied to each token alone; gated as SwiGLU when configured."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        D, F = config.hidden_size, config.intermediate_size
        self.activation = ACTIVATIONS[config.activation]
        self.gate = nn.Linear(D, F, bias=config.bias) if config.gated else None
        self.up = nn.Linear(D, F, bias=config.bias)
        self.down = nn.Linear(F, D, bias=config.bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """(B, T, D)."""
        if self.gate is None:
            return self.down(self.activation(self.up(x_BTD)))
        return self.down(self.activation(self.gate(x_BTD)) * self.up(x_BTD))


class Block(nn.Module):
    """One layer; with `cross`, it also attends to an encoder's output."""

    def __init__(self, config: ModelConfig, cross: bool = False) -> None:
        super().__init__()
        self.pre_norm, self.dropout = config.pre_norm, nn.Dropout(config.dropout)
        self.self_attention, self.self_attention_norm = Attention(config), make_norm(config)
        if cross:
            self.cross_attention, self.cross_attention_norm = Attention(config), make_norm(config)
        self.feed_forward, self.feed_forward_norm = FeedForward(config), make_norm(config)

    def forward(
        self,
        x_BTD: Tensor,
        visible: Visibility,
        memory_BSD: Tensor | None = None,
        memory_visible: Visibility | None = None,
        rotation: tuple[Tensor, Tensor] | None = None,
        cache: LayerCache | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        """(B, T, D); see `Attention.forward` for the arguments."""
        weights, weights_across = (trace.attentions, trace.cross_attentions) if trace else (None, None)
        attend = partial(self.self_attention, visible=visible, rotation=rotation, cache=cache, weights=weights)
        x_BTD = self._residual(x_BTD, attend, self.self_attention_norm)
        if memory_BSD is not None:
            over_memory = {"visible": memory_visible or Visibility(), "memory_BSD": memory_BSD, "cache": cache}
            attend = partial(self.cross_attention, weights=weights_across, **over_memory)
            x_BTD = self._residual(x_BTD, attend, self.cross_attention_norm)
        return self._residual(x_BTD, self.feed_forward, self.feed_forward_norm)

    def _residual(self, x_BTD: Tensor, layer: Callable[[Tensor], Tensor], norm: nn.Module) -> Tensor:
        if self.pre_norm:
            return x_BTD + self.dropout(layer(norm(x_BTD)))
        return norm(x_BTD + self.dropout(layer(x_BTD)))


@torch.no_grad()
def pass_through(block: Block, below: Block) -> None:
    """Makes a block hand on what enters it, so that it can join a trained network (Net2Net, arXiv:1511.05641).

    Its layers add nothing until they learn to. With norms after the residuals each of its norms becomes the last norm
    of the block below, which gives nearly back what that one gave: exactly, when its scale is the same everywhere.

    Args:
        block: What joins; changed in place.
        below: The trained block whose output enters it.
    """
    for name, layer in block.named_children():
        if isinstance(layer, Attention | FeedForward):
            last = layer.output if isinstance(layer, Attention) else layer.down
            for parameter in last.parameters():
                parameter.zero_()
        elif name.endswith("norm") and not block.pre_norm:
            layer.load_state_dict(below.feed_forward_norm.state_dict())
