"""Confidence intervals: of shares by formula (Wilson 1927), of all else by resampling rows (Efron 1979); and two
systems compared on the same resamples.

Every figure here is a function of sums over rows: accuracy of (right, 1), macro F1 of per-label counts, perplexity of
(nats, tokens). A row is its vector of addends, its *statistics*; a resample of the rows is a weighted sum of them. Rows
with the same statistics are drawn together, so that 50,000 right-or-wrong rows cost as much as two.

Intervals say how much the figure would vary over other rows of the same kind; nothing about other kinds of text, nor
about another training run. Resampling gives percentile intervals. With a handful of rows they are too narrow, and where
all rows are right they have no width, however few the rows: so a share of right rows has Wilson's, which holds there.

Shape legend: N = rows, U = distinct rows, K = addends of a row, R = resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_core.errors import InputError

RESAMPLES = 1000
CONFIDENCE = 0.95
SEED = 13
_CHUNK_BYTES = 64_000_000
"""Bounds the counts (R, U) that are held at once."""

Array = npt.NDArray[Any]
Interval = tuple[float, float]
Metric = Callable[[Array], Array]
"""Sums (…, K) to figures (…); nan where a resample does not define the figure."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured figure with its interval."""

    value: float
    low: float
    high: float
    """`low` and `high` are the ends of the `CONFIDENCE` interval."""
    rows: int
    """How many rows it was measured on."""
    signature: str = ""
    """How exactly it was computed, where a library writes that down (sacrebleu)."""

    @property
    def interval(self) -> Interval | None:
        """Both ends; ``None`` where the rows are too much alike to tell them, so that all resamples agree."""
        return (self.low, self.high) if self.low < self.high else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better the second system is than the first, on the same rows."""

    difference: float
    low: float
    high: float
    p_value: float
    """Two-sided: how often a resample turns the sign of the difference (Koehn 2004), doubled; at least 1 / resamples,
    1.0 for equal systems."""


def interval(statistics: Array, metric: Metric, *, resamples: int = RESAMPLES, seed: int = SEED) -> Estimate:
    """A figure and its percentile interval.

    Args:
        statistics: (N, K) addends of each row.
        metric: The figure as a function of their sums; it must accept (R, K).
        resamples: How many.
        seed: Of the drawing; the same seed gives the same interval.

    Raises:
        InputError: There are no rows.
    """
    table = _table(statistics)
    value = float(metric(table.sum(axis=0)))
    low, high = _percentiles(_resampled(table, metric, resamples, seed))
    return Estimate(value, low, high, len(table))


def mean_interval(values: Array, *, resamples: int = RESAMPLES, seed: int = SEED) -> Estimate:
    """The mean of one figure a row, (N,), and its interval: Wilson's where each row is 0 or 1."""
    column = np.asarray(values, dtype=np.float64)
    if len(column) and np.isin(column, (0, 1)).all():
        low, high = wilson(column.sum(), np.array(len(column)))
        return Estimate(float(column.mean()), float(low), float(high), len(column))
    return interval(np.stack([column, np.ones_like(column)], axis=-1), ratio, resamples=resamples, seed=seed)


def wilson(right: Array, total: Array) -> tuple[Array, Array]:
    """Ends of the score interval of a share (Wilson 1927); nan where there are no rows.

    Args:
        right: Counts.
        total: Of how many.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    centre, spread = right + z * z / 2, z * np.sqrt(divided(right * (total - right), total) + z * z / 4)
    norm = np.where(total > 0, total + z * z, np.nan)
    return (centre - spread) / norm, (centre + spread) / norm


def ratio(sums: Array) -> Array:
    """First sum divided by the second; nan where that is zero."""
    return divided(sums[..., 0], sums[..., 1])


def divided(numerator: Array, denominator: Array) -> Array:
    """Quotients, nan where the denominator is zero."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    quotients: Array = np.divide(numerator, denominator, out=np.full(shape, np.nan), where=np.asarray(denominator) != 0)
    return quotients


def compare(first: Array, second: Array, metric: Metric, *, resamples: int = RESAMPLES, seed: int = SEED) -> Comparison:
    """Whether the second of two systems is better, by paired bootstrap: both are resampled alike.

    Args:
        first: (N, K) statistics of the first system.
        second: (N, K) of the second, row for row on the same examples.
        metric: As in `interval`.
        resamples: How many.
        seed: Of the drawing.

    Raises:
        InputError: There are no rows, or the shapes differ.
    """
    if np.shape(first) != np.shape(second):
        raise InputError("second", f"must have the shape of first, {np.shape(first)}", np.shape(second))
    table, width = _table(np.concatenate([first, second], axis=-1)), np.shape(first)[-1]

    def gain(sums: Array) -> Array:
        return metric(sums[..., width:]) - metric(sums[..., :width])

    difference = float(gain(table.sum(axis=0)))
    drawn = _resampled(table, gain, resamples, seed)
    low, high = _percentiles(drawn)
    turned = float(np.mean(drawn <= 0 if difference > 0 else drawn >= 0))
    p_value = 1.0 if difference == 0 else min(1.0, max(2 * turned, 1 / resamples))
    return Comparison(difference, low, high, p_value)


def _table(statistics: Array) -> Array:
    table = np.asarray(statistics, dtype=np.float64)
    if table.ndim != 2 or not len(table):
        raise InputError("data", "must have at least one row")
    return table


def _resampled(table: Array, metric: Metric, resamples: int, seed: int) -> Array:
    """(R,) figures of resampled rows."""
    distinct_UK, counts_U = np.unique(table, axis=0, return_counts=True)
    random = np.random.default_rng(seed)
    size = max(1, _CHUNK_BYTES // (8 * len(distinct_UK)))
    parts = [
        metric(random.multinomial(len(table), counts_U / len(table), size=min(size, resamples - start)) @ distinct_UK)
        for start in range(0, resamples, size)
    ]
    return np.concatenate(parts)


def _percentiles(drawn: Array) -> tuple[float, float]:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(drawn, [tail, 100 - tail])
    return float(low), float(high)
