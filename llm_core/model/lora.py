r"""Low-rank adaptation (arXiv:2106.09685): a frozen layer and a small change to it, which alone is trained.

.. math:: W x \;\mapsto\; W x + \frac{\alpha}{r} B A x

A is (r, in), B is (out, r); one starts random, the other at zero. For a table of embeddings x chooses a token, so that
its row of the table changes by a column of BA. A wrapped layer keeps the names of its weights.
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from llm_core.model.heads import EncoderModel, MaskedLM, Model

TARGETS = r"transformer\..*\.blocks\..*|pooler"
"""What is wrapped unless told otherwise: every linear layer of the blocks, and BERT's pooler."""
EMBEDDINGS = r"transformer\.embeddings\.tokens"
"""The table of tokens, which `add_lora` wraps when asked to."""
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

    def change(self) -> Tensor:
        """What is added to `weight`: (out, in)."""
        return self.lora_b @ self.lora_a * (self.alpha / len(self.lora_a))


class LoraEmbedding(nn.Embedding):
    """A table of V embeddings with an adapter of rank r, scaled by `alpha` / r."""

    unmerged: Tensor | None = None
    """See `LoraLinear`."""

    def __init__(self, table: nn.Embedding, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__(table.num_embeddings, table.embedding_dim, device="meta")
        self.weight = table.weight
        self.lora_a = nn.Parameter(table.weight.new_zeros(rank, table.num_embeddings))
        self.lora_b = nn.Parameter(table.weight.new_empty(table.embedding_dim, rank))
        nn.init.normal_(self.lora_b, std=table.embedding_dim**-0.5)  # one step moves a token as far as a linear layer
        self.alpha, self.dropout = alpha, nn.Dropout(dropout)
        self.train(table.training)

    def forward(self, input: Tensor) -> Tensor:
        """(…, out) of (…) token ids; there is nothing to drop of a choice, so `dropout` is not used."""
        if self.unmerged is not None:
            return super().forward(input)
        change = linear(embedding(input, self.lora_a.T), self.lora_b)
        return super().forward(input) + change * (self.alpha / len(self.lora_a))

    def change(self) -> Tensor:
        """What is added to `weight`: (V, out)."""
        return (self.lora_b @ self.lora_a).T * (self.alpha / len(self.lora_a))


LoraLayer = LoraLinear | LoraEmbedding


def add_lora(model: Model, rank: int, alpha: float, dropout: float = 0.0, targets: str = TARGETS) -> None:
    """Wraps the layers whose names `targets` matches; freezes all but the adapter and `trained_whole`.

    A ValueError says that there is no such layer, that one has an adapter already, or that a table of embeddings
    gives the model's output, too, where a change to it would be missing.
    """
    whole = trained_whole(model)
    chosen = [(n, m) for n, m in model.named_modules() if re.fullmatch(targets, n) and not n.startswith(whole)]
    chosen = [(name, layer) for name, layer in chosen if isinstance(layer, nn.Linear | nn.Embedding)]
    if not chosen or any(isinstance(layer, LoraLayer) for _, layer in chosen):
        raise ValueError(f"targets ({targets}) must match linear layers or embeddings, none of them adapted already")
    if any(isinstance(layer, nn.Embedding) for _, layer in chosen) and not _has_a_head_of_its_own(model):
        raise ValueError(f"targets ({targets}): this model's output is made of its embeddings; these stay as they are")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(whole))
    for name, layer in chosen:
        model.set_submodule(name, _wrapper(layer)(layer, rank, alpha, dropout))


def _has_a_head_of_its_own(model: Model) -> bool:
    return isinstance(model, EncoderModel) and not isinstance(model, MaskedLM)


def _wrapper(layer: nn.Module) -> type[LoraLinear] | type[LoraEmbedding]:
    return LoraEmbedding if isinstance(layer, nn.Embedding) else LoraLinear


def lora_layers(model: nn.Module) -> dict[str, LoraLayer]:
    """The adapted layers by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Puts the changes into the weights: inference costs nothing more, and the model can be saved as any other."""
    for layer in lora_layers(model).values():
        if layer.unmerged is None:
            layer.unmerged = layer.weight.data
            layer.weight.data = layer.unmerged + layer.change()


def unmerge(model: nn.Module) -> None:
    """Undoes `merge`, bit by bit; training needs it."""
    for layer in lora_layers(model).values():
        if layer.unmerged is not None:
            layer.weight.data, layer.unmerged = layer.unmerged.to(layer.weight), None


def adapter_state(model: Model) -> dict[str, Tensor]:
    """What belongs to the adapter, by name: every A and B, and what is trained whole."""
    wanted = (*trained_whole(model), *(f"{name}.lora_" for name in lora_layers(model)))
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith(wanted)}
