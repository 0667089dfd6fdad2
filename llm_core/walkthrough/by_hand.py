"""The same decoder in matrix arithmetic, from its weights alone: NumPy in double precision, no module of the model."""

# Shape suffix legend
#   T = words, N = heads, H = head dimension, D = hidden size, F = feed-forward width, V = vocabulary

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]
_BLOCK = "transformer.decoder.blocks.0."


def computed(weights: Weights, ids: Sequence[int], targets: Sequence[int], heads: int, eps: float) -> dict[str, Array]:
    """Everything on the way from ids to loss, by the name of the step's tensor.

    Args:
        weights: The model's state dict.
        ids: The words read, T of them.
        targets: The next word of the first words; there may be fewer than T.
        heads: N.
        eps: What LayerNorm adds to the variance.
    """
    t: dict[str, Array] = {"ids": np.array(ids, dtype=np.float64)}
    _embed(t, weights, ids)
    _attend(t, weights, heads)
    t["x + a"] = t["x"] + t["a"]
    t["h"] = _layer_norm(t["x + a"], weights, "self_attention_norm", eps)
    t["u"] = np.maximum(0, _linear(t["h"], weights, "feed_forward.up"))
    t["f"] = _linear(t["u"], weights, "feed_forward.down")
    t["h + f"] = t["h"] + t["f"]
    t["y"] = _layer_norm(t["h + f"], weights, "feed_forward_norm", eps)
    t["logits"] = t["y"] @ weights["transformer.embeddings.tokens.weight"].T
    t["p"] = _softmax(t["logits"])
    t["loss"] = np.array([-np.log(t["p"][i, target]) for i, target in enumerate(targets)])
    t["mean loss"] = np.array(t["loss"].sum() / len(targets))
    return t


def _embed(t: dict[str, Array], weights: Weights, ids: Sequence[int]) -> None:
    table_VD = weights["transformer.embeddings.tokens.weight"]
    D = table_VD.shape[1]
    t["E[ids]"] = np.eye(len(table_VD))[list(ids)] @ table_VD  # a row of zeros with a one picks a row of the table
    angles = np.outer(np.arange(len(ids)), 10000.0 ** -(np.arange(0, D, 2) / D))
    t["P"] = np.concatenate((np.sin(angles), np.cos(angles)), axis=1)
    t["x"] = np.sqrt(D) * t["E[ids]"] + t["P"]


def _attend(t: dict[str, Array], weights: Weights, heads: int) -> None:
    T = len(t["x"])
    for name, layer in (("Q", "query"), ("K", "key"), ("V", "value")):
        t[name] = _linear(t["x"], weights, f"self_attention.{layer}").reshape(T, heads, -1).swapaxes(0, 1)
    t["scores"] = t["Q"] @ t["K"].swapaxes(1, 2) / np.sqrt(t["K"].shape[-1])
    t["masked"] = np.where(np.tri(T, dtype=bool), t["scores"], -np.inf)
    t["A"] = _softmax(t["masked"])
    t["Z"] = t["A"] @ t["V"]
    t["a"] = _linear(t["Z"].swapaxes(0, 1).reshape(T, -1), weights, "self_attention.output")


def _linear(x: Array, weights: Weights, name: str) -> Array:
    product: Array = x @ weights[f"{_BLOCK}{name}.weight"].T + weights[f"{_BLOCK}{name}.bias"]
    return product


def _layer_norm(x_TD: Array, weights: Weights, name: str, eps: float) -> Array:
    centred = x_TD - x_TD.mean(axis=1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)
    scaled: Array = normal * weights[f"{_BLOCK}{name}.weight"] + weights[f"{_BLOCK}{name}.bias"]
    return scaled


def _softmax(scores: Array) -> Array:
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))  # the same quotient, and nothing overflows
    shares: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares
