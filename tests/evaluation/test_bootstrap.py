"""Intervals against scipy's, and by how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Estimate, compare, interval, mean_interval, ratio


def test_intervals_are_those_of_scipy() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=150)
    ours = mean_interval(values, resamples=20_000)
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


@pytest.mark.parametrize(("right", "total"), [(0, 1), (1, 1), (6, 6), (7, 10), (393, 500), (500, 500)])
def test_a_share_has_the_score_interval_of_scipy(right: int, total: int) -> None:
    found = mean_interval(np.arange(total) < right)
    theirs = binomtest(right, total).proportion_ci(method="wilson")
    assert (found.value, found.rows) == (right / total, total)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_resamples_that_all_agree_tell_no_interval() -> None:
    alike = interval(np.ones((6, 2)), ratio)
    assert (alike.value, alike.low, alike.high, alike.interval) == (1.0, 1.0, 1.0, None)
    assert Estimate(0.5, 0.25, 0.75, 4).interval == (0.25, 0.75)


def test_a_ratio_is_resampled_as_a_whole() -> None:
    random = np.random.default_rng(3)
    table = np.stack([random.poisson(3, 80), random.poisson(9, 80) + 1], axis=1).astype(float)
    ours = interval(table, ratio, resamples=20_000)
    theirs = bootstrap(
        (table[:, 0], table[:, 1]), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, n_resamples=20_000,
        method="percentile", rng=4,
    ).confidence_interval  # fmt: skip
    assert ours.value == pytest.approx(table[:, 0].sum() / table[:, 1].sum())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_the_interval_holds_the_truth_about_19_times_in_20() -> None:
    random = np.random.default_rng(5)
    held = 0
    for seed in range(400):
        right = random.random(300) < 0.8
        found = interval(np.stack([right, np.ones(300)], axis=1), ratio, resamples=400, seed=seed)
        held += found.low <= 0.8 <= found.high
    assert 0.91 < held / 400 < 0.98


def test_the_seed_decides() -> None:
    values = np.random.default_rng(6).normal(size=50)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values, seed=1).low != mean_interval(values, seed=2).low


def test_chunks_change_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(7).normal(size=40)
    whole = mean_interval(values, resamples=333)
    monkeypatch.setattr("llm_core.evaluation.bootstrap._CHUNK_BYTES", 8 * 40 * 10)
    assert mean_interval(values, resamples=333) == whole


def test_many_equal_rows_are_cheap() -> None:
    right = np.arange(3_000_000) % 4 == 0
    found = interval(np.stack([right, np.ones_like(right)], axis=1), ratio)
    assert found.value == 0.25 and 0 < found.high - found.low < 0.0012


def test_two_systems_on_the_same_rows() -> None:
    random = np.random.default_rng(8)
    hard = random.random(400)
    first = (hard < 0.70).astype(float)
    second = (hard < 0.74).astype(float)  # right wherever the first is, and a little more
    statistics = [np.stack([system, np.ones(400)], axis=1) for system in (first, second)]
    better = compare(*statistics, ratio)
    assert better.difference == pytest.approx(second.mean() - first.mean())
    assert 0 < better.low < better.difference < better.high and better.p_value < 0.01
    alone = [mean_interval(system) for system in (first, second)]
    assert alone[0].high > alone[1].low, "unpaired, the two could not be told apart"
    worse = compare(*reversed(statistics), ratio)
    assert worse.difference == -better.difference and worse.p_value == pytest.approx(better.p_value, abs=0.01)
    assert compare(statistics[0], statistics[0], ratio).p_value == 1.0


def test_chance_is_not_taken_for_progress() -> None:
    random = np.random.default_rng(9)
    systems = [np.stack([random.random(200) < 0.5, np.ones(200)], axis=1).astype(float) for _ in range(2)]
    found = compare(*systems, ratio)
    assert found.low < 0 < found.high and found.p_value > 0.05


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="at least one row"):
        mean_interval(np.array([]))
    with pytest.raises(InputError, match="second: must have the shape"):
        compare(np.ones((3, 2)), np.ones((2, 2)), ratio)
