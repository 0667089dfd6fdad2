"""Tensors of a forward pass as small values: functions on arrays, which know nothing of models or requests.

Shape legend: T = pieces, V = vocabulary, D = hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Guess = tuple[str, float]
"""A piece and its probability."""
Points = tuple[tuple[float, float], ...]


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares


def likeliest(logits: Array, vocabulary: Sequence[str], count: int) -> tuple[Guess, ...]:
    """The `count` most probable pieces, best first; `logits` are (V,)."""
    probabilities = softmax(logits)
    best = np.argpartition(-logits, min(count, len(logits) - 1))[:count]  # sorting all takes ten times as long
    return tuple((vocabulary[i], float(probabilities[i])) for i in best[np.argsort(-logits[best])])


def planes(layers_LTD: Array) -> list[tuple[Points, float]]:
    """Each layer's vectors as points on the plane along which they differ most (principal components; Pearson 1901).

    Each plane is turned so that the points lie as near as can be to those of the layer before (orthogonal Procrustes;
    Schönemann 1966): what moves from one to the next has moved indeed.

    Returns:
        T points of each layer, and the share of the variance, 0…1, that its plane shows.
    """
    found: list[tuple[Points, float]] = []
    before: NDArray[np.float64] | None = None
    for layer_TD in layers_LTD:
        points, explained = _plane(layer_TD)
        if before is not None:
            left, _, right = np.linalg.svd(points.T @ before)
            points = points @ (left @ right)
        found.append((tuple((float(x), float(y)) for x, y in points), explained))
        before = points
    return found


def _plane(vectors_TD: Array) -> tuple[NDArray[np.float64], float]:
    centred = vectors_TD.astype(np.float64) - vectors_TD.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(centred), 2))
    width = min(2, len(sizes))
    points[:, :width] = left[:, :width] * sizes[:width]
    total = float((sizes**2).sum())
    return points, float((sizes[:2] ** 2).sum()) / total if total > 0 else 1.0


def thousandths(shares: Array) -> Any:
    """Shares in 0…1 as whole thousandths in nested lists: half the size in JSON, and as fine as anyone can see."""
    return np.rint(shares * 1000).astype(int).tolist()
