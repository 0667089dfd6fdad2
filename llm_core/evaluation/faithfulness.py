"""Whether the words that an explanation names are those that the model goes by: deletion and insertion curves.

Petsiuk et al. 2018 (arXiv:1806.07421), with words for pixels. Words leave a text in the order of their weights, those
first that speak most for the label: the label's probability should fall fast (*deletion*, small is good). Or they are
all that is there: it should rise fast (*insertion*, large is good). Each figure is the mean probability over the curve,
and stands beside that of the same texts with words in a random order.

The empty text at the end of the one curve and the beginning of the other is left out: every order has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import SEED, Estimate, mean_interval

Array = npt.NDArray[np.float64]
Weighted = tuple[int, int, float]
"""Characters ``start:end`` of a word, and its weight."""
Shortened = tuple[int, str, tuple[tuple[int, int], ...]]
"""Number of a text, the text without some of its words, and the characters of these in the whole text."""
Probabilities = Callable[[Sequence[Shortened]], Sequence[float]]
"""Maps shortened texts to the probability of what was explained of the whole ones."""

STEPS = 10
"""Points of a curve: nothing, a tenth, two tenths … of the words removed, and as many put in."""
MIN_WORDS = 5
"""Texts with fewer have no curve to speak of."""


def faithfulness(
    texts: Sequence[str], words: Sequence[Sequence[Weighted]], probabilities: Probabilities, seed: int = SEED
) -> dict[str, Estimate]:
    """Areas under the curves, in [0, 1].

    Args:
        texts: What was explained.
        words: Of each text, those that may leave it; texts with fewer than `MIN_WORDS` are left out.
        probabilities: The model.
        seed: Of the random order.

    Returns:
        ``deletion`` and ``insertion`` in the explanation's order and, as ``[random]``, in a random one; and
        ``deletion_gain`` and ``insertion_gain``: by how much the explanation's order is better, text by text.

    Raises:
        InputError: No text has enough words.
    """
    used = [number for number, own in enumerate(words) if len(own) >= MIN_WORDS]
    if not used:
        raise InputError("data", f"must have a text of at least {MIN_WORDS} words")
    draw = np.random.default_rng(seed)
    asked: list[Shortened] = []
    for number in used:
        weights = np.array([weight for *_, weight in words[number]])
        for order in (np.argsort(-weights, kind="stable"), draw.permutation(len(weights))):
            asked += [(number, without(texts[number], gone), gone) for gone in _removed(words[number], order)]
    areas = np.asarray(probabilities(asked), dtype=np.float64).reshape(len(used), 2, 2, STEPS).mean(axis=-1)
    return _figures(areas)


def _figures(areas: Array) -> dict[str, Estimate]:
    """Of areas of shape (texts, explained or random, deletion or insertion)."""
    (deletion, insertion), (deletion_random, insertion_random) = areas.transpose(1, 2, 0)
    columns = {
        "deletion": deletion,
        "deletion[random]": deletion_random,
        "deletion_gain": deletion_random - deletion,
        "insertion": insertion,
        "insertion[random]": insertion_random,
        "insertion_gain": insertion - insertion_random,
    }
    return {name: mean_interval(column) for name, column in columns.items()}


def _removed(words: Sequence[Weighted], order: npt.NDArray[np.int64]) -> list[tuple[tuple[int, int], ...]]:
    """What is gone at the points of both curves: the first words of the order, then all but the first."""
    counts = [len(order) * step // STEPS for step in range(STEPS)]
    deleted = [order[:count] for count in counts]
    inserted = [order[len(order) - count :] for count in reversed(counts)]
    return [tuple(words[number][:2] for number in sorted(gone.tolist())) for gone in (*deleted, *inserted)]


def without(text: str, ranges: Sequence[tuple[int, int]]) -> str:
    """The text without some stretches of characters, which are in order."""
    kept, position = [], 0
    for start, end in ranges:
        kept.append(text[position:start])
        position = end
    return "".join([*kept, text[position:]])
