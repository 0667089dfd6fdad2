r"""Low-rank adaptation (arXiv:2106.09685): a frozen layer and a small change to it, which alone is trained.

.. math:: W x \;\mapsto\; W x + \frac{\alpha}{r} B A x

A is (r, in), B is (out, r); one starts random, the other at zero. For a table of embeddings x chooses a token, so that
its row of the table changes by a column of BA. A wrapped layer keeps the names of its weights.
"""

from __future__ import annotations

import re

from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from llm_core.model.heads import EncoderModel, MaskedLM, Model

TARGETS = r"transformer\..*\.blocks\..*|pooler"
EMBEDDINGS = r"transformer\.embeddings\.tokens"
"""What is wrapped unless told otherwise: every linear layer of the blocks, BERT's pooler; and the table of tokens."""
HEADS = ("classifier", "span")
"""Of tasks: they are trained with the adapter and belong to it."""


def trained_whole(model: Model) -> tuple[str, ...]:
    """Parts beside the Transformer that an adapter holds as they are: a task's head, and what its base had not."""
    return tuple(dict.fromkeys((*HEADS, *model.fresh_parts)))


class LoraLayer(nn.Module):
    """`layer` with an adapter of rank r, scaled by `alpha` / r; training drops a share of a linear layer's inputs."""

    unmerged: Tensor | None = None
    """The layer's own weight while the change is in `weight`; see `convert.peft.merge`."""

    def __init__(self, layer: nn.Linear | nn.Embedding, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.weight, self.bias, self.is_table = (
            layer.weight,
            getattr(layer, "bias", None),
            isinstance(layer, nn.Embedding),
        )
        out, inputs = reversed(layer.weight.shape) if self.is_table else layer.weight.shape
        self.lora_a, self.lora_b = (nn.Parameter(self.weight.new_zeros(size)) for size in ((rank, inputs), (out, rank)))
        if self.is_table:  # one step moves a token as far as a linear layer
            nn.init.normal_(self.lora_b, std=out**-0.5)
        else:
            nn.init.kaiming_uniform_(self.lora_a, a=5**0.5)
        self.alpha, self.dropout = alpha, nn.Dropout(dropout)
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """(…, out) of (…, in), or of (…) token ids."""
        plain = embedding(x, self.weight) if self.is_table else linear(x, self.weight, self.bias)
        if self.unmerged is not None:
            return plain
        inner = embedding(x, self.lora_a.T) if self.is_table else linear(self.dropout(x), self.lora_a)
        return plain + linear(inner, self.lora_b) * (self.alpha / len(self.lora_a))

    def change(self) -> Tensor:
        """What is added to `weight`, of its shape."""
        change = self.lora_b @ self.lora_a * (self.alpha / len(self.lora_a))
        return change.T if self.is_table else change


def add_lora(model: Model, rank: int, alpha: float, dropout: float = 0.0, targets: str = TARGETS) -> None:
    """Wraps the layers whose names `targets` matches; freezes all but the adapter and `trained_whole`.

    A ValueError says that there is no such layer, that one has an adapter already, or that a table of embeddings
    gives the model's output, too, where a change to it would be missing.
    """
    whole = trained_whole(model)
    chosen = [(n, m) for n, m in model.named_modules() if re.fullmatch(targets, n) and not n.startswith(whole)]
    layers = {name: layer for name, layer in chosen if isinstance(layer, nn.Linear | nn.Embedding)}
    if not layers or any(isinstance(layer, LoraLayer) for _, layer in chosen):
        raise ValueError(f"targets ({targets}) must match linear layers or embeddings, none of them adapted already")
    with_own_output = isinstance(model, EncoderModel) and not isinstance(model, MaskedLM)
    if any(isinstance(layer, nn.Embedding) for layer in layers.values()) and not with_own_output:
        raise ValueError(f"targets ({targets}): this model's output is made of its embeddings; these stay as they are")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(whole))
    for name, layer in layers.items():
        model.set_submodule(name, LoraLayer(layer, rank, alpha, dropout))


def lora_layers(model: nn.Module) -> dict[str, LoraLayer]:
    """The adapted layers by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
