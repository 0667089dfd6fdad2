"""What the model's own forward pass computes, part by part: the other side of every comparison."""

# Shape suffix legend
#   T = words, N = heads, H = head dimension, D = hidden size, F = feed-forward width, V = vocabulary

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.overrides import TorchFunctionMode

from llm_core.model.attention import Trace
from llm_core.model.heads import CausalLM

Array = NDArray[np.float64]


class _Scores(TorchFunctionMode):
    """Keeps what softmax is given, and what the mask is laid over: no module has them as its output."""

    def __init__(self, seen: dict[str, Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = {Tensor.masked_fill: "scores", Tensor.softmax: "masked"}.get(function)
        if name is not None:
            self.seen.setdefault(name, args[0][0])
        return function(*args, **(kwargs or {}))


def observed(model: CausalLM, ids: list[int], targets: list[int]) -> dict[str, Array]:
    """Everything on the way from ids to loss, by the name of the step's tensor.

    Args:
        model: One decoder layer.
        ids: The words read, T of them.
        targets: The next word of the first words; there may be fewer than T.
    """
    seen: dict[str, Tensor] = {}
    trace, batch = Trace(), torch.tensor([ids])
    with torch.no_grad(), ExitStack() as hooks:
        for handle in _hooks(model, seen):
            hooks.callback(handle.remove)
        with _Scores(seen):
            model(batch, trace=trace)
        seen["logits"] = model(batch)[0]  # the fused path
    seen["x"], seen["A"] = trace.hidden_states[0][0], trace.attentions[0][0]
    seen["p"] = seen["logits"].softmax(-1)
    wanted = torch.tensor(targets)
    seen["loss"] = cross_entropy(seen["logits"][: len(targets)], wanted, reduction="none")
    seen["mean loss"] = cross_entropy(seen["logits"][: len(targets)], wanted)
    return {name: tensor.double().numpy() for name, tensor in seen.items()}


def _hooks(model: CausalLM, seen: dict[str, Tensor]) -> list[Any]:
    """Hooks that keep what modules take and give; heads (T, N·H) are parted to (N, T, H)."""
    block: Any = model.transformer.decoder.blocks[0] if model.transformer.decoder else None
    attention, heads = block.self_attention, model.config.num_heads

    def parted(x_TD: Tensor) -> Tensor:
        return x_TD.view(len(x_TD), heads, -1).transpose(0, 1)

    def gives(module: nn.Module, name: str, view: Callable[[Tensor], Tensor] = Tensor.clone) -> Any:
        def keep(_: nn.Module, taken: Any, given: Tensor) -> None:
            seen.setdefault(name, view(given[0]))

        return module.register_forward_hook(keep)

    def takes(module: nn.Module, name: str, view: Callable[[Tensor], Tensor] = Tensor.clone) -> Any:
        def keep(_: nn.Module, taken: Any) -> None:
            seen.setdefault(name, view(taken[0][0]))

        return module.register_forward_pre_hook(keep)

    return [
        takes(model.transformer.embeddings.tokens, "ids"),
        gives(model.transformer.embeddings.tokens, "E[ids]"),
        gives(attention.query, "Q", parted),
        gives(attention.key, "K", parted),
        gives(attention.value, "V", parted),
        takes(attention.output, "Z", parted),
        gives(attention.output, "a"),
        takes(block.self_attention_norm, "x + a"),
        gives(block.self_attention_norm, "h"),
        takes(block.feed_forward.down, "u"),
        gives(block.feed_forward, "f"),
        takes(block.feed_forward_norm, "h + f"),
        gives(block.feed_forward_norm, "y"),
    ]
