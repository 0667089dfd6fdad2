"""Perplexity and bits per byte of a language model, from the probability it gives to texts.

Perplexity is ``exp(nats / tokens)``: it depends on the tokenizer, so it compares models of one vocabulary only. Bits
per byte, ``nats / (ln 2 · UTF-8 bytes)``, compares any two models on the same texts. Both weigh every token or byte
alike, so a long text counts more than a short one; the intervals resample whole texts.

Long texts are read through a sliding window: each token is predicted exactly once, and after the first window with at
least ``window - stride`` tokens before it. The module knows no model: it takes callables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Array, Estimate, divided, interval

Encode = Callable[[str], Sequence[int]]
"""A text's token ids, without special tokens."""
Likelihoods = Callable[[Sequence[int]], Sequence[float]]
"""Token ids (T) to the natural logarithm of the probability of each but the first, given those before it (T - 1)."""


@dataclass(frozen=True, slots=True)
class TextLikelihood:
    """What a model makes of one text."""

    nats: float
    """Summed negative log-likelihood of its tokens."""
    tokens: int
    bytes: int
    """Length of the text in UTF-8."""


def language_model_scores(parts: Iterable[TextLikelihood]) -> dict[str, Estimate]:
    """``perplexity`` (per token) and ``bits_per_byte`` over all texts.

    Raises:
        InputError: There is no text with a token and a byte.
    """
    statistics = np.array([(part.nats, part.tokens, part.bytes) for part in parts]).reshape(-1, 3)
    if not statistics[:, 1:].sum(axis=0).all():
        raise InputError("data", "must have at least one text that is not empty")
    return {"perplexity": interval(statistics, _perplexity), "bits_per_byte": interval(statistics, _bits_per_byte)}


def _perplexity(sums: Array) -> Array:
    return np.asarray(np.exp(divided(sums[..., 0], sums[..., 1])))


def _bits_per_byte(sums: Array) -> Array:
    return divided(sums[..., 0], sums[..., 2]) / math.log(2)


def score_texts(
    texts: Iterable[str], encode: Encode, likelihoods: Likelihoods, *, start: int, window: int, stride: int
) -> Iterator[TextLikelihood]:
    """The likelihood of each text.

    Args:
        texts: Documents; each is read for itself.
        encode: Text to ids.
        likelihoods: The model; called with at most `window` ids.
        start: Id put before each text, so that its first token is predicted too: the model's start token, or the one
            that ended documents when it was trained.
        window: Ids the model reads at once.
        stride: Ids by which the window moves on; smaller is slower and gives more context.

    Raises:
        InputError: The stride is not in 1 … window - 1, or the model gives another number of values than asked.
    """
    if not 1 <= stride < window:
        raise InputError("stride", f"must be between 1 and {window - 1}, below the window", stride)
    for text in texts:
        ids = [start, *encode(text)]
        nats = 0.0
        for first, last, known in windows(len(ids), window, stride):
            found = likelihoods(ids[first:last])
            if len(found) != last - first - 1:
                raise InputError("likelihoods", f"must give {last - first - 1} values", len(found))
            nats -= math.fsum(found[known - first - 1 :])
        yield TextLikelihood(nats, len(ids) - 1, len(text.encode("utf-8")))


def windows(length: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """(first, one past the last, first to count) of each window over `length` ids; the first id is never counted."""
    counted = 1
    while counted < length:
        last = min(length, window if counted == 1 else counted + stride)
        yield max(0, last - window), last, counted
        counted = last
