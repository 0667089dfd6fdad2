r"""Low-rank adaptation (arXiv:2106.09685): a frozen linear layer and a small change to it, which alone is trained.

.. math:: W x \;\mapsto\; W x + \frac{\alpha}{r} B A x

A is (r, in) and starts random, B is (out, r) and starts at zero. A wrapped layer keeps the names of its weights.
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from llm_core.model.heads import Model

TARGETS = r"transformer\..*\.blocks\..*|pooler"
"""What is wrapped unless told otherwise: every linear layer of the blocks, and BERT's pooler."""
HEADS = ("classifier", "span")
"""Of tasks: they are trained with the adapter and belong to it."""


def trained_whole(model: Model) -> tuple[str, ...]:
    """Parts beside the Transformer that an adapter holds as they are: a task's head, and what its base had not."""
    return tuple(dict.fromkeys((*HEADS, *model.fresh_parts)))


class LoraLinear(nn.Linear):
    """`layer` with an adapter of rank r, scaled by `alpha` / r; training drops a share of the adapter's inputs."""

    unmerged: Tensor | None = None
    """The layer's own weight while `merge` has put the change into `weight`."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.lora_a = nn.Parameter(layer.weight.new_empty(rank, layer.in_features))
        self.lora_b = nn.Parameter(layer.weight.new_zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))
        self.alpha, self.dropout = alpha, nn.Dropout(dropout)
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """(…, out) of (…, in)."""
        if self.unmerged is not None:
            return super().forward(x)
        change = linear(linear(self.dropout(x), self.lora_a), self.lora_b)
        return super().forward(x) + change * (self.alpha / len(self.lora_a))


def add_lora(model: Model, rank: int, alpha: float, dropout: float = 0.0, targets: str = TARGETS) -> None:
    """Wraps the linear layers whose names `targets` matches; freezes all but the adapter and `trained_whole`.

    A ValueError says that there is no such layer, or that one has an adapter already.
    """
    whole = trained_whole(model)
    linear = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear) and not n.startswith(whole)]
    chosen = [(name, layer) for name, layer in linear if re.fullmatch(targets, name)]
    if not chosen or any(isinstance(layer, LoraLinear) for _, layer in chosen):
        raise ValueError(f"targets ({targets}) must match linear layers, none of them adapted already")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(whole))
    for name, layer in chosen:
        model.set_submodule(name, LoraLinear(layer, rank, alpha, dropout))


def lora_layers(model: nn.Module) -> dict[str, LoraLinear]:
    """The adapted layers by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLinear)}


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Puts the changes into the weights: inference costs nothing more, and the model can be saved as any other."""
    for layer in lora_layers(model).values():
        if layer.unmerged is None:
            layer.unmerged = layer.weight.data
            layer.weight.data = layer.unmerged + layer.lora_b @ layer.lora_a * (layer.alpha / len(layer.lora_a))


def unmerge(model: nn.Module) -> None:
    """Undoes `merge`, bit by bit; training needs it."""
    for layer in lora_layers(model).values():
        if layer.unmerged is not None:
            layer.weight.data, layer.unmerged = layer.unmerged.to(layer.weight), None


def adapter_state(model: Model) -> dict[str, Tensor]:
    """What belongs to the adapter, by name: every A and B, and what is trained whole."""
    wanted = (*trained_whole(model), *(f"{name}.lora_" for name in lora_layers(model)))
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith(wanted)}
