"""What goes wrong in a translation that BLEU hardly sees, sentence by sentence, as shares in [0, 1].

- ``right_length``: as long as the reference within a fifth, in characters that are not blanks;
- ``no_loop``: no run of words or characters repeated more often than in the reference;
- ``no_copy``: not the source itself, where the reference is not;
- ``terms_kept``: every number and foreign word that source and reference share (2024, TensorFlow) is there; over the
  sentences that have such.

The module knows no model and no metric of similarity.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from llm_core.evaluation.bootstrap import RESAMPLES, Estimate, mean_interval

SHORTEST, LONGEST = 0.8, 1.2
"""Of the reference's length."""
REPEATS = 3
"""A run that stands this often in a row is a loop."""

_LOOP = re.compile(rf"(.{{2,40}}?)\1{{{REPEATS - 1},}}", re.DOTALL)
_TERM = re.compile(r"\d+(?:[.,:]\d+)*|[a-z][a-z0-9]*(?:[._\-][a-z0-9]+)*", re.ASCII)
_SHORT_WORD = 2
"""A single letter is no foreign word."""


def translation_checks(
    sources: Sequence[str], predicted: Sequence[str], references: Sequence[str], *, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """The shares of sentences that pass each check; one that no sentence calls for is left out.

    Args:
        sources: What was translated.
        predicted: The translations.
        references: One for each.
        resamples: For the interval.
    """
    checks: dict[str, Callable[[str, str, str], bool | None]] = {
        "right_length": _right_length,
        "no_loop": _no_loop,
        "no_copy": _no_copy,
        "terms_kept": _terms_kept,
    }
    rows, scores = list(zip(sources, predicted, references, strict=True)), {}
    for name, check in checks.items():
        passed = [found for found in (check(*row) for row in rows) if found is not None]
        if passed:
            scores[name] = mean_interval(np.array(passed, dtype=np.float64), resamples=resamples)
    return scores


def _right_length(source: str, predicted: str, reference: str) -> bool:
    found, wanted = (len("".join(text.split())) for text in (predicted, reference))
    return SHORTEST * wanted <= found <= LONGEST * wanted


def _no_loop(source: str, predicted: str, reference: str) -> bool:
    return _LOOP.search(predicted) is None or _LOOP.search(reference) is not None


def _no_copy(source: str, predicted: str, reference: str) -> bool:
    said, given, wanted = map(_plain, (predicted, source, reference))
    return said != given or wanted == given


def _terms_kept(source: str, predicted: str, reference: str) -> bool | None:
    given, wanted, found = (_terms(text) for text in (source, reference, predicted))
    shared = given & wanted
    return shared <= found if shared else None


def _terms(text: str) -> set[str]:
    found = _TERM.findall(unicodedata.normalize("NFKC", text).lower())
    return {term for term in found if term[0].isdigit() or len(term) >= _SHORT_WORD}


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
