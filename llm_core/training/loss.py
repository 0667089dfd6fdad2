r"""Cross-entropy over a vocabulary, summed over the labels that count, with its gradient computed on the way.

With logits z, probabilities p = softmax(z), label y and smoothing ε (arXiv:1512.00567) a position costs

.. math:: \log \sum_v e^{z_v} - (1 - ε) z_y - \frac{ε}{V} \sum_v z_v

and its gradient is :math:`p - (1 - ε)\,[v = y] - ε / V`. Over 16,000 pieces the float32 copies that torch's own loss
makes of all logits cost more time than the matrix product that gave them; rows are taken a few at a time instead, so
that these copies stay in the processor's cache, and only the gradient is kept, in the logits' own precision.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from llm_core.data.collators import IGNORED

CHUNK_BYTES = {"cpu": 4_000_000, "cuda": 500_000_000}
"""Of float32 logits that are looked at together, by device: a processor's cache is small, an accelerator wants much
work at once."""


def summed_loss(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats, summed over the labels that are not `IGNORED`; in float32.

    Args:
        logits: (…, V), as `Objective.per_label` gives them.
        labels: (…), of the same leading size.
        label_smoothing: Share of the probability spread over all choices.
    """
    rows = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    total: Tensor = _SummedLoss.apply(*rows, label_smoothing)  # type: ignore[no-untyped-call]  # torch has no types here
    return total


class _SummedLoss(torch.autograd.Function):
    """Of logits (N, V) and labels (N,)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        total = logits.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(logits)
        rows = max(1, CHUNK_BYTES[logits.device.type] // (4 * logits.shape[-1]))
        for start in range(0, len(logits), rows):
            part = slice(start, start + rows)
            loss, gradient[part] = _loss_and_gradient(logits[part].float(), labels[part, None], label_smoothing)
            total += loss
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_outputs[0].to(gradient.dtype), None, None


def _loss_and_gradient(logits: Tensor, labels: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """The loss of some rows and its gradient; `logits` (N, V) float32 may be changed, `labels` are (N, 1)."""
    counted, labels = labels.ne(IGNORED), labels.clamp(min=0)
    normaliser = logits.logsumexp(-1, keepdim=True)
    loss = normaliser - (1 - label_smoothing) * logits.gather(1, labels) - label_smoothing * logits.mean(-1, True)
    gradient = (logits - normaliser).exp_().sub_(label_smoothing / logits.shape[-1])
    gradient.scatter_add_(1, labels, torch.full_like(normaliser, label_smoothing - 1))
    return loss.masked_fill(~counted, 0).sum(), gradient.mul_(counted)
