"""A decoder laid out for speed: a `CausalLM` with the same answers, from weights that are copied once.

Queries, keys and values come from one matrix product, gate and up from another; matrices lie as (in, out), so that
they are read in order for a single token. It is for inference only: no gradients, no dropout, no attention weights.
"""

# Shape suffix legend
#   B = batch, T = new tokens, R = B · T rows, D = hidden size, N = query heads, K = key/value heads, H = head dimension

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from llm_core.errors import InputError
from llm_core.model.attention import Trace, Visibility, fused_attention, rotate
from llm_core.model.blocks import Block
from llm_core.model.cache import LayerCache
from llm_core.model.config import ModelConfig
from llm_core.model.heads import CausalLM
from llm_core.model.lora import lora_layers


@torch.no_grad()
def packed(model: CausalLM) -> CausalLM:
    """`model` laid out for inference, in its dtype and on its device; changes of its weights are not seen later.

    Raises:
        InputError: It is not of the Llama family, or has an adapter that is not merged.
    """
    if model.config.family != "llama":
        raise InputError("family", "must be llama to be packed", model.config.family)
    if any(layer.unmerged is None for layer in lora_layers(model).values()):
        raise InputError("model", "has an adapter: merge it before packing")
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    fast = copy.deepcopy(model, shared).eval()  # new modules around the same tensors
    decoder = fast.transformer.decoder
    assert decoder is not None, "a llama model has a decoder"
    decoder.blocks = nn.ModuleList(_PackedBlock(block, model.config) for block in decoder.blocks)
    head = fast.transformer.embeddings.tokens if fast.output is None else fast.output
    fast.output = _PackedLinear(head)  # type: ignore[assignment]  # called as the linear layer was
    return fast


class _PackedLinear(nn.Module):
    """Linear layers of the same input, without biases, as one product with a matrix that lies as (in, out)."""

    def __init__(self, *layers: nn.Linear | nn.Embedding) -> None:
        super().__init__()
        weight = torch.cat([layer.weight for layer in layers]).T.contiguous()
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, out) of (…, in)."""
        return x @ self.weight

    def add_to(self, residual_RD: Tensor, x: Tensor) -> Tensor:
        """The product added to `residual_RD` in the same pass."""
        return torch.addmm(residual_RD, x, self.weight)


class _PackedBlock(nn.Module):
    """`Block` of the Llama family, called as that one."""

    def __init__(self, block: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        assert isinstance(block, Block), "packed once already"
        attention, feed_forward = block.self_attention, block.feed_forward
        assert feed_forward.gate is not None, "llama models are gated"
        self.heads = config.num_heads, config.num_kv_heads
        self.query_key_value = _PackedLinear(attention.query, attention.key, attention.value)
        self.output = _PackedLinear(attention.output)
        self.gate_up = _PackedLinear(feed_forward.gate, feed_forward.up)
        self.down = _PackedLinear(feed_forward.down)
        self.norm, self.feed_forward_norm = block.self_attention_norm, block.feed_forward_norm

    def forward(
        self,
        x_BTD: Tensor,
        visible: Visibility,
        memory_BSD: None,
        memory_visible: Visibility | None,
        rotation: tuple[Tensor, Tensor],
        cache: LayerCache | None,
        trace: Trace | None,
    ) -> Tensor:
        """(B, T, D); see `Block.forward`.

        Raises:
            InputError: A trace is asked for; the unpacked model gives it.
        """
        if trace is not None:
            raise InputError("trace", "is not recorded by a packed model")
        B, T, D = x_BTD.shape
        x_RD = x_BTD.reshape(-1, D)
        N, K = self.heads
        qkv = self.query_key_value(self.norm(x_RD)).view(B, T, N + 2 * K, -1).transpose(1, 2)
        qk, v = rotate(qkv[:, : N + K], rotation), qkv[:, N + K :]
        q, k = qk[:, :N], qk[:, N:]
        if cache is not None:
            k, v = cache.extend(k, v)
        out_BNTH = fused_attention(q, k, v, visible)
        x_RD = self.output.add_to(x_RD, out_BNTH.transpose(1, 2).reshape(B * T, -1))
        gate, up = self.gate_up(self.feed_forward_norm(x_RD)).chunk(2, dim=-1)
        return self.down.add_to(x_RD, silu(gate) * up).view(B, T, D)
