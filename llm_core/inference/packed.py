"""A decoder laid out for speed: a `CausalLM` with the same answers, with fewer and faster steps a token.

Queries, keys and values come from one matrix product, gate and up from another; both matrices hold the weight of the
norm before them. It is for inference only: no gradients, no dropout, no attention weights.
"""

# Shape suffix legend
#   B = batch, T = new tokens, R = B · T rows, D = hidden size, N = query heads, K = key/value heads, H = head dimension

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, rms_norm, silu

from llm_core.errors import InputError
from llm_core.model.attention import Trace, Visibility, fused_attention, rotate
from llm_core.model.blocks import Block
from llm_core.model.cache import LayerCache
from llm_core.model.config import ModelConfig
from llm_core.model.heads import CausalLM
from llm_core.model.lora import lora_layers


@torch.no_grad()
def packed(model: CausalLM) -> CausalLM:
    """`model` laid out for inference, in its dtype and on its device.

    Some weights are copied, some shared: pack again after they change.

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
    fast.output = _PackedLinear(head.weight)  # type: ignore[assignment]  # called as the linear layer was
    return fast


class _PackedLinear(nn.Module):
    """A linear layer without bias.

    Args:
        weight: (out, in).
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.vector_is_faster = _vector_is_faster(weight)

    def forward(self, x: Tensor) -> Tensor:
        """(…, out) of (…, in)."""
        rows = x.reshape(-1, x.shape[-1])  # of a slice of a longer row torch would multiply a copy of the weight
        if self.vector_is_faster and len(rows) == 1:
            return torch.mv(self.weight, rows[0]).view(*x.shape[:-1], -1)
        return linear(rows, self.weight).view(*x.shape[:-1], -1)

    def add_to(self, residual_RD: Tensor, x_RF: Tensor) -> Tensor:
        """The product added to `residual_RD` in the same pass."""
        if self.vector_is_faster and len(x_RF) == 1:
            return torch.addmv(residual_RD[0], self.weight, x_RF[0])[None]
        return torch.addmm(residual_RD, x_RF, self.weight.T)


def _vector_is_faster(weight: Tensor) -> bool:
    """Whether one row is multiplied faster as a vector: in bfloat16 1.4 times with AMX, without it 2.4 times slower."""
    on_cpu = weight.device.type == "cpu" and weight.dtype == torch.bfloat16
    return on_cpu and bool(torch.cpu.get_capabilities().get("amx_bf16"))


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
        query_key_value = torch.cat((attention.query.weight, attention.key.weight, attention.value.weight))
        gate_up = torch.cat((feed_forward.gate.weight, feed_forward.up.weight))
        self.query_key_value = _PackedLinear(query_key_value * before_attention.weight)
        self.output = _PackedLinear(attention.output.weight)
        self.gate_up = _PackedLinear(gate_up * before_feed_forward.weight)
        self.down = _PackedLinear(feed_forward.down.weight)

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
        qkv = self.query_key_value(rms_norm(x_RD, (D,), eps=self.eps)).view(B, T, N + 2 * K, -1).transpose(1, 2)
        qk, v = rotate(qkv[:, : N + K], rotation), qkv[:, N + K :]
        q, k = qk[:, :N], qk[:, N:]
        if cache is not None:
            k, v = cache.extend(k, v)
        out_BNTH = fused_attention(q, k, v, visible)
        x_RD = self.output.add_to(x_RD, out_BNTH.transpose(1, 2).reshape(B * T, -1))
        gate, up = self.gate_up(rms_norm(x_RD, (D,), eps=self.eps)).chunk(2, dim=-1)
        return self.down.add_to(x_RD, silu(gate).mul_(up)).view(B, T, D)
