"""BERT's layers laid out as a CPU multiplies them: the same answers from fewer and faster steps.

Queries, keys and values come from one matrix product, and weights lie in memory as oneDNN reads them: laid out in rows,
they are copied into that order for every product, which for one short text takes longer than the product itself
(docs/benchmarks.md).

Packed weights replace the plain ones. For gradients, copies of the layers hold plain weights again; see
`attribution.in_float32`.

Shape legend: B = rows of a batch, T = tokens, D = hidden size, N = heads, H = head dimension.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention
from transformers import BertModel
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from llm_core.backends.transformers.precision import inference_dtype


def pack(model: Any, device: str) -> None:
    """Lay out a model's layers in place, where that is faster: BERT's on a CPU, in the format that it computes in.

    Args:
        model: In evaluation, cast; its layers' weights are not to be written to afterwards.
        device: torch device it will compute on.
    """
    trunk = model.base_model
    if device == "cpu" and type(trunk) is BertModel and trunk.dtype == inference_dtype(device) and can_pack():
        model.base_model.encoder = PackedEncoder(trunk.encoder, trunk.config.num_attention_heads)


def can_pack() -> bool:
    """oneDNN's packed products, which torch keeps to itself, are there on x86-64; tried with AVX-512 only."""
    there = all(hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight"))
    able = torch.backends.mkldnn.is_available() and torch.cpu.get_capabilities().get("avx512_f")  # type: ignore[no-untyped-call]
    return bool(there and able)


class PackedEncoder(nn.Module):
    """transformers' `BertEncoder`, for inference: no dropout, no attention weights.

    Args:
        encoder: A `BertEncoder`.
        heads: Attention heads.
    """

    def __init__(self, encoder: Any, heads: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_PackedLayer(layer, heads) for layer in encoder.layer)

    def forward(self, x_BTD: Tensor, attention_mask: Tensor | None = None, **_: Any) -> Any:
        """Called as `BertEncoder` is; a mask is True where a token is read."""
        for layer in self.layer:
            x_BTD = layer(x_BTD, attention_mask)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=x_BTD)


class _PackedLayer(nn.Module):
    def __init__(self, layer: Any, heads: int) -> None:
        super().__init__()
        attention, mixed = layer.attention.self, layer.attention.output
        self.heads = heads
        self.query_key_value = _PackedLinear(attention.query, attention.key, attention.value)
        self.mix, self.mix_norm = _PackedLinear(mixed.dense), mixed.LayerNorm
        self.widen, self.activation = _PackedLinear(layer.intermediate.dense), layer.intermediate.intermediate_act_fn
        self.narrow, self.narrow_norm = _PackedLinear(layer.output.dense), layer.output.LayerNorm

    def forward(self, x_BTD: Tensor, mask: Tensor | None) -> Tensor:
        B, T, D = x_BTD.shape
        q_BNTH, k_BNTH, v_BNTH = (
            self.query_key_value(x_BTD).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        )
        read_BNTH = scaled_dot_product_attention(q_BNTH, k_BNTH, v_BNTH, attn_mask=mask)
        x_BTD = self.mix_norm(x_BTD + self.mix(read_BNTH.transpose(1, 2).reshape(B, T, D)))
        normed: Tensor = self.narrow_norm(x_BTD + self.narrow(self.activation(self.widen(x_BTD))))
        return normed


class _PackedLinear(nn.Module):
    """Linear layers of the same input as one, their outputs side by side."""

    def __init__(self, *layers: nn.Linear) -> None:
        super().__init__()
        weight = torch.cat([layer.weight.detach() for layer in layers])
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.weight.is_mkldnn:  # a copy for gradients
            return linear(x, self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return product
