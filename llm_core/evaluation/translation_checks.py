"""What goes wrong in a translation that BLEU hardly sees, sentence by sentence, as shares in [0, 1].

- ``right_length``: as long as the reference within a fifth, in characters that are not blanks;
- ``no_loop``: no run of words or characters repeated more often than in the reference;
- ``no_copy``: not the source itself, where the reference is not;
- ``names_kept``: every number, and every name (a word with a capital, a digit or a mark in it), that source and
  reference write alike (2024, TensorFlow, os.path) is there; over the sentences that have such.

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
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[A-Za-z][A-Za-z0-9]*(?:[._\-][A-Za-z0-9]+)*", re.ASCII)
_TELLING = re.compile(r"\d|.[._]|[A-Z].", re.DOTALL)
"""A number or a name; a single letter is neither."""


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
        "names_kept": _names_kept,
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


def _names_kept(source: str, predicted: str, reference: str) -> bool | None:
    given, wanted, found = (_words(text) for text in (source, reference, predicted))
    names = {word for word in given & wanted if _TELLING.search(word)}
    return names <= found if names else None


def _words(text: str) -> set[str]:
    return set(_WORD.findall(unicodedata.normalize("NFKC", text)))


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
