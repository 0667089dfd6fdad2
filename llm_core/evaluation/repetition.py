"""Whether generated texts go round in circles, and how varied their words are.

- ``no_loop``: share of the texts without a loop: a sentence, line or run of at least four words that stands three times
  in the text, or a shorter run of characters four times in a row;
- ``distinct_2``, ``distinct_3``: different word pairs and triples as a share of all of them (Li et al. 2016,
  arXiv:1510.03055), over all texts each for itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from llm_core.evaluation.bootstrap import Estimate, interval, mean_interval, ratio

REPEATS, REPEATS_IN_A_ROW = 3, 4
_IN_A_ROW = re.compile(rf"(.{{3,40}}?)\1{{{REPEATS_IN_A_ROW - 1},}}", re.DOTALL)
_PART = re.compile(r"[^.!?。！？\n]+")
_LEAST_WORDS = 4


def repetition_scores(texts: Sequence[str]) -> dict[str, Estimate]:
    """The figures of the module's docstring.

    Args:
        texts: What a model wrote, one a prompt.
    """
    measured = {"no_loop": mean_interval(np.array([not loops(text) for text in texts]))}
    for length in (2, 3):
        counts = [_distinct(text, length) for text in texts]
        measured[f"distinct_{length}"] = interval(np.array(counts, dtype=float), ratio)
    return measured


def loops(text: str) -> bool:
    """Whether a text repeats itself."""
    if _IN_A_ROW.search(re.sub(r"[-_=*.#~ ]{3,}", " ", text)):  # rules and dots are ornaments
        return True
    parts = Counter(" ".join(part.lower().split()) for part in _PART.findall(text))
    return any(count >= REPEATS and len(part.split()) >= _LEAST_WORDS for part, count in parts.items())


def _distinct(text: str, length: int) -> tuple[int, int]:
    words = re.findall(r"\w+", text.lower())
    runs = [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]
    return len(set(runs)), len(runs)
