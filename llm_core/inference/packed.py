"""A decoder laid out for speed: a `CausalLM` with the same answers, from weights that are copied once.

Queries, keys and values come from one matrix product, gate and up from another; matrices lie as they are read fastest
for a single token, and hold the weights of the norms and the scale of attention. It is for inference only:
no gradients, no dropout, no attention weights.
"""

# Shape suffix legend
#   B = batch, T = new tokens, R = B · T rows, D = hidden size, N = query heads, K = key/value heads, H = head dimension

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu

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
    if head.weight.dtype == torch.float32:  # as it lies, it is read faster in bfloat16 and slower in float32
        fast.output = _PackedLinear(head)  # type: ignore[assignment]  # called as the linear layer was
    return fast


class _PackedLinear(nn.Module):
    """Linear layers of the same input, without biases, as one product with a matrix that lies as (in, out).

    The weight of a `norm` before them is in the matrix; what is left of that norm is `_scaled_to_one`.
    """

    def __init__(self, *layers: nn.Linear | nn.Embedding, norm: nn.RMSNorm | None = None, scale: float = 1.0) -> None:
        super().__init__()
        weight = torch.cat([layer.weight for layer in layers])
        weight[: len(layers[0].weight)] *= scale  # of the first layer alone
        if norm is not None:
            weight *= norm.weight
        self.matrix: Tensor
        self.register_buffer("matrix", weight.T.contiguous(), persistent=False)

    def forward(self, x_RD: Tensor) -> Tensor:
        """(R, out) of (R, in)."""
        return x_RD @ self.matrix

    def add_to(self, residual_RD: Tensor, x_RD: Tensor) -> Tensor:
        """The product added to `residual_RD` in the same pass."""
        return torch.addmm(residual_RD, x_RD, self.matrix)


class _PackedBlock(nn.Module):
    """`Block` of the Llama family, called as that one."""

    def __init__(self, block: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        assert isinstance(block, Block), "packed once already"
        attention, feed_forward = block.self_attention, block.feed_forward
        assert feed_forward.gate is not None, "llama models are gated"
        before_attention, before_feed_forward = block.self_attention_norm, block.feed_forward_norm
        assert isinstance(before_attention, nn.RMSNorm) and isinstance(before_feed_forward, nn.RMSNorm)
        self.heads, self.eps = (config.num_heads, config.num_kv_heads), config.norm_eps
        projections, scale = (attention.query, attention.key, attention.value), config.head_dim**-0.5
        self.query_key_value = _PackedLinear(*projections, norm=before_attention, scale=scale)
        self.output = _PackedLinear(attention.output)
        self.gate_up = _PackedLinear(feed_forward.gate, feed_forward.up, norm=before_feed_forward)
        self.down = _PackedLinear(feed_forward.down)

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
        qkv = self.query_key_value(_scaled_to_one(x_RD, self.eps)).view(B, T, N + 2 * K, -1).transpose(1, 2)
        qk, v = rotate(qkv[:, : N + K], rotation), qkv[:, N + K :]
        q, k = qk[:, :N], qk[:, N:]
        if cache is not None:
            k, v = cache.extend(k, v)
        out_BNTH = _attended(q, k, v, visible)
        x_RD = self.output.add_to(x_RD, out_BNTH.transpose(1, 2).reshape(B * T, -1))
        gate, up = self.gate_up(_scaled_to_one(x_RD, self.eps)).chunk(2, dim=-1)
        return self.down.add_to(x_RD, silu(gate).mul_(up)).view(B, T, D)


def _scaled_to_one(x_RD: Tensor, eps: float) -> Tensor:
    """RMSNorm without its weight: each row's root mean square becomes one. For one row, fewer steps than torch's."""
    if len(x_RD) > 1:
        return rms_norm(x_RD, x_RD.shape[-1:], eps=eps)
    square_R1 = torch.linalg.vector_norm(x_RD, dim=-1, keepdim=True, dtype=torch.float32).square_()
    scale_R1: Tensor = square_R1.div_(x_RD.shape[-1]).add_(eps).rsqrt_()
    return (x_RD * scale_R1).to(x_RD.dtype)


def _attended(q_BNTH: Tensor, k_BKSH: Tensor, v_BKSH: Tensor, visible: Visibility) -> Tensor:
    """Attention of queries that hold the scale already; for one token, two products beat torch's kernel on a CPU."""
    if q_BNTH.shape[2] > 1:
        return fused_attention(q_BNTH, k_BKSH, v_BKSH, visible, scale=1.0)
    q_BKGH = q_BNTH.reshape(len(k_BKSH), k_BKSH.shape[1], -1, q_BNTH.shape[3])
    scores_BKGS = q_BKGH @ k_BKSH.transpose(-1, -2)
    if visible.mask is not None:
        scores_BKGS = scores_BKGS.masked_fill_(~visible.mask, -math.inf)
    return (scores_BKGS.softmax(-1) @ v_BKSH).reshape(q_BNTH.shape)
