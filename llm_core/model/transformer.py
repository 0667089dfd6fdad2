"""The Transformer without a head: embeddings and a stack of blocks for each side that the configuration has."""

# Shape suffix legend
#   B = batch, T = tokens, S = tokens so far (T and what the cache holds) or the encoder's tokens, D = hidden size

from __future__ import annotations

import math
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from llm_core.model.attention import Trace, Visibility, rotary_angles
from llm_core.model.blocks import Block, make_norm
from llm_core.model.cache import KeyValueCache
from llm_core.model.config import ModelConfig


class Embeddings(nn.Module):
    """Tokens, and positions and segments where they are learned or added, as vectors."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        D = config.hidden_size
        self.scale = math.sqrt(D) if config.scale_embeddings else 1.0
        self.tokens = nn.Embedding(config.vocab_size, D)
        self.positions = nn.Embedding(config.max_positions, D) if config.positions == "learned" else None
        self.types = nn.Embedding(config.token_types, D) if config.token_types else None
        self.norm = make_norm(config) if config.embedding_norm else None
        self.dropout = nn.Dropout(config.dropout)
        self.waves: Tensor | None
        waves = sinusoidal_positions(config) if config.positions == "sinusoidal" else None
        self.register_buffer("waves", waves, persistent=False)

    def forward(self, input_ids: Tensor, position_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """(B, T, D) of (B, T) token ids."""
        x_BTD = self.tokens(input_ids) * self.scale
        if self.types is not None:
            x_BTD = x_BTD + self.types(torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids)
        if self.positions is not None:
            x_BTD = x_BTD + self.positions(position_ids)
        elif self.waves is not None:
            x_BTD = x_BTD + self.waves[position_ids]
        return self.dropout(x_BTD if self.norm is None else self.norm(x_BTD))


def sinusoidal_positions(config: ModelConfig) -> Tensor:
    """(max_positions, D): sines in the first half, cosines in the second, as Marian lays them out."""
    D = config.hidden_size
    frequencies = 10000.0 ** -(torch.arange(0, D, 2, dtype=torch.float64) / D)
    angles = torch.outer(torch.arange(config.max_positions, dtype=torch.float64), frequencies)
    return torch.cat((angles.sin(), angles.cos()[:, : D // 2]), dim=1).float()


class Stack(nn.Module):
    """Blocks one after the other, with rotary positions and a last norm where the family has them."""

    def __init__(self, config: ModelConfig, layers: int, cross: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config, cross) for _ in range(layers))
        self.norm = make_norm(config) if config.pre_norm else None
        self.gradient_checkpointing = False
        """Recompute activations in the backward pass instead of keeping them (arXiv:1604.06174)."""
        self.depth: int | None = None
        """Run only so many blocks, the lowest; None: all."""
        self.cosines: Tensor | None
        self.sines: Tensor | None
        angles = rotary_angles(config) if config.positions == "rotary" else (None, None)
        self.register_buffer("cosines", angles[0], persistent=False)
        self.register_buffer("sines", angles[1], persistent=False)

    def forward(
        self,
        x_BTD: Tensor,
        visible: Visibility,
        position_ids: Tensor,
        memory_BSD: Tensor | None = None,
        memory_visible: Visibility | None = None,
        cache: KeyValueCache | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        """(B, T, D); `position_ids` is (T,) or (B, T)."""
        rotation = None
        if self.cosines is not None and self.sines is not None:
            cosines, sines = (table[position_ids].to(x_BTD.dtype) for table in (self.cosines, self.sines))
            rotation = (cosines, sines) if position_ids.dim() == 1 else (cosines[:, None], sines[:, None])
        for i, block in enumerate(islice(self.blocks, self.depth)):
            if trace is not None:
                trace.hidden_states.append(x_BTD)
            arguments = (x_BTD, visible, memory_BSD, memory_visible, rotation, cache[i] if cache else None, trace)
            recompute = self.gradient_checkpointing and self.training
            x_BTD = checkpoint(block, *arguments, use_reentrant=False) if recompute else block(*arguments)
        x_BTD = x_BTD if self.norm is None else self.norm(x_BTD)
        if trace is not None:
            trace.hidden_states.append(x_BTD)
        return x_BTD


class Transformer(nn.Module):
    """Embeddings, encoder and decoder; either side may be missing."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        both = bool(config.encoder_layers and config.decoder_layers)
        self.encoder = Stack(config, config.encoder_layers) if config.encoder_layers else None
        self.decoder = Stack(config, config.decoder_layers, cross=both) if config.decoder_layers else None
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        """The encoder's output, (B, T, D).

        Args:
            input_ids: (B, T).
            attention_mask: (B, T), true at tokens, false at padding; None: no padding.
            token_type_ids: (B, T) segments; None: all the first.
            trace: Takes hidden states and attention weights.
        """
        assert self.encoder is not None, "this configuration has no encoder"
        position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)
        x_BTD = self.embeddings(input_ids, position_ids, token_type_ids)
        return self.encoder(x_BTD, looking_at(attention_mask), position_ids, trace=trace)

    def decode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        memory_BSD: Tensor | None = None,
        memory_mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        """The decoder's output, (B, T, D): each token has seen those before it, and the encoder's.

        Args:
            input_ids: (B, T), the tokens that are new to the cache.
            attention_mask: (B, S) over the cached and the new tokens; None: no padding.
            memory_BSD: The encoder's output.
            memory_mask: (B, S) over the encoder's tokens; None: no padding.
            cache: Keys and values of earlier tokens; takes the new ones.
            trace: Takes hidden states and attention weights.
        """
        assert self.decoder is not None, "this configuration has no decoder"
        T, past = input_ids.shape[1], cache.length if cache else 0
        position_ids = torch.arange(past, past + T, device=input_ids.device)
        if attention_mask is not None:  # padding on the left does not count as positions
            position_ids = (attention_mask.long().cumsum(-1)[:, past:] - 1).clamp(min=0)
        x_BTD = self.embeddings(input_ids, position_ids)
        visible = looking_back(T, past, attention_mask, input_ids.device)
        return self.decoder(x_BTD, visible, position_ids, memory_BSD, looking_at(memory_mask), cache, trace)


def looking_at(attention_mask: Tensor | None) -> Visibility:
    """Every token looks at every token that is not padding."""
    return Visibility(None if attention_mask is None else attention_mask.bool()[:, None, None, :])


def looking_back(T: int, past: int, attention_mask: Tensor | None, device: torch.device) -> Visibility:
    """Every new token looks at itself and those before it that are not padding."""
    if attention_mask is None and (past == 0 or T == 1):
        return Visibility(causal=T > 1)
    before = torch.ones(T, past + T, dtype=torch.bool, device=device).tril(past)
    return Visibility(before if attention_mask is None else before & attention_mask.bool()[:, None, None, :])
