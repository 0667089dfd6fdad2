"""BLEU and chrF of translations, by sacrebleu, with the signatures that make them comparable (arXiv:1804.08771).

Into Chinese, BLEU counts sacrebleu's ``zh`` tokens (single characters), else its ``13a`` tokens. Japanese and Korean
would need tokenizers that are not installed, and Thai one that sacrebleu does not have; for these chrF, which works on
characters, is the one to trust. Intervals and the comparison of two systems are sacrebleu's own bootstrap.
Values are in [0, 100]. sacrebleu also holds test sets to download: nothing here asks for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import RESAMPLES, Estimate

_BYTES_PER_ROW = 72
"""sacrebleu holds all resamples at once: 18 numbers of four bytes a row for chrF, 10 for BLEU."""
_MAX_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class PairedScores:
    """Two systems on the same sentences."""

    first: float
    second: float
    p_value: float
    """How often resampling alone gives a difference as large (Koehn 2004)."""
    signature: str


def translation_scores(
    predicted: Sequence[str], references: Sequence[str], *, target: str, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """Corpus ``bleu`` and ``chrf``.

    Args:
        predicted: Translations.
        references: One reference for each.
        target: Language of both (ISO 639-1).
        resamples: For the interval; fewer from 14,000 sentences on, for the memory they take.

    Raises:
        InputError: There are no sentences, or not one reference for each.
    """
    _check(predicted, references)
    scores = {}
    for name, metric in _metrics(target).items():
        drawn = max(100, min(resamples, _MAX_BYTES // (_BYTES_PER_ROW * len(predicted))))
        found = metric.corpus_score(list(predicted), [list(references)], n_bootstrap=drawn)
        # sacrebleu keeps half of the interval's width and the mean of the resamples
        low, high = found._mean - found._ci, found._mean + found._ci
        signature = str(metric.get_signature())
        scores[name] = Estimate(float(found.score), float(low), float(high), len(predicted), signature)
    return scores


def sentence_chrf(predicted: Sequence[str], references: Sequence[str]) -> list[float]:
    """chrF of each sentence alone, in [0, 100]."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    pairs = zip(predicted, references, strict=True)
    return [float(metric.sentence_score(text, [reference]).score) for text, reference in pairs]


def compare_translations(
    first: Sequence[str], second: Sequence[str], references: Sequence[str], *, target: str
) -> dict[str, PairedScores]:
    """Whether two systems differ by more than chance, by paired bootstrap on ``bleu`` and ``chrf``.

    Raises:
        InputError: There are no sentences, or not one translation by each system for each reference.
    """
    from sacrebleu.significance import PairedTest

    _check(first, references)
    _check(second, references)
    metrics = _metrics(target)
    test = PairedTest(
        [("first", list(first)), ("second", list(second))], metrics, [list(references)], test_type="bs", n_jobs=1
    )
    signatures, found = test()
    names = zip(metrics, signatures, strict=True)
    return {name: _paired(found[own], str(signatures[own])) for name, own in names}


def _paired(results: Any, signature: str) -> PairedScores:
    base, other = results
    # of two equal systems sacrebleu says that they differ for certain: no resample exceeds a difference of zero
    p_value = 1.0 if base.score == other.score else float(other.p_value)
    return PairedScores(float(base.score), float(other.score), p_value, signature)


def _metrics(target: str) -> dict[str, Any]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return {"bleu": BLEU(tokenize="zh" if target == "zh" else "13a"), "chrf": CHRF()}


def _check(predicted: Sequence[str], references: Sequence[str]) -> None:
    if not references:
        raise InputError("data", "must have at least one row")
    if len(predicted) != len(references):
        raise InputError("predicted", f"must have one translation for each of {len(references)} rows", len(predicted))
