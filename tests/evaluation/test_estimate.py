"""Means and their intervals, against scipy, formulas written out, and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fpattr_widget.evaluation._estimate import estimate

values = st.lists(st.floats(-10, 10), min_size=2, max_size=20)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30))
def test_zeros_and_ones_of_a_sample_each_have_wilsons_interval(hits):
    found = estimate(hits, range(len(hits)))
    n, p, z = len(hits), np.mean(hits), stats.norm.ppf(0.975)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (found.count, found.mean) == (n, pytest.approx(p))
    assert (found.low, found.high) == pytest.approx((middle - reach, middle + reach), abs=1e-9)
    test = stats.binomtest(sum(hits), n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((test.low, test.high))


@given(values)
def test_one_value_of_each_sample_has_students_interval(numbers):
    numbers = [*numbers, 0.5, -0.5]  # so that they are no shares
    found = estimate(numbers, range(len(numbers)))
    error = stats.sem(numbers)
    mean = np.mean(numbers)
    low, high = mean, mean
    if error > 0:
        low, high = stats.t.interval(0.95, len(numbers) - 1, mean, error)
    assert (found.low, found.mean, found.high) == pytest.approx((low, mean, high), abs=1e-7)


@given(st.lists(st.tuples(st.floats(-10, 10), st.integers(0, 5)), min_size=2, max_size=20))
def test_values_of_one_sample_count_together(both):
    """Sums of deviations by cluster, one by one; the clusters' numbers need no order."""
    both = [*both, (0.5, 7), (0.5, 7), (-0.25, 9)]
    numbers, samples = zip(*both, strict=True)
    found = estimate(numbers, samples)
    mean, clusters = sum(numbers) / len(numbers), set(samples)
    squares = 0.0
    for cluster in clusters:
        squares += sum(value - mean for value, own in both if own == cluster) ** 2
    error = (len(clusters) / (len(clusters) - 1) * squares) ** 0.5 / len(numbers)
    reach = stats.t.ppf(0.975, len(clusters) - 1) * error
    expected = (mean - reach, mean, mean + reach)
    assert (found.low, found.mean, found.high) == pytest.approx(expected, abs=1e-7)
    assert found.count == len(numbers)


def test_saying_everything_twice_teaches_nothing():
    numbers = [0.1, 0.4, 0.35, 0.9]
    once, twice = estimate(numbers, range(4)), estimate(numbers * 2, [0, 1, 2, 3] * 2)
    assert (twice.low, twice.mean, twice.high) == pytest.approx((once.low, once.mean, once.high))
    alone = estimate(numbers * 2, range(8))
    assert alone.high - alone.low < once.high - once.low


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_intervals_of_shares_end_at_zero_and_one(numbers):
    numbers = [*numbers, 0.5]
    found = estimate(numbers, range(len(numbers)))
    free = estimate(numbers, range(len(numbers)), shares=False)
    assert (found.low, found.high) == (max(free.low, 0), min(free.high, 1))


def test_one_sample_tells_nothing_of_the_spread():
    for numbers in ([0.3], [0.3, 0.9], [1, 0, 1], [1.0, 1.0]):
        found = estimate(numbers, [4] * len(numbers))
        assert found.mean == pytest.approx(np.mean(numbers))
        assert np.isnan([found.low, found.high]).all()


def test_samples_that_agree_in_sum_tell_nothing_of_the_spread():
    """In each of two samples one phrase hits and one misses; a third might be all hits."""
    found = estimate([1, 0, 0, 1], [0, 0, 1, 1])
    assert found.mean == 0.5
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("all_of_them", [0, 1])
def test_phrases_that_all_miss_are_not_certain_to(all_of_them):
    """Four phrases in two samples tell no less than two phrases and no more than four."""
    together = estimate([all_of_them] * 4, [0, 0, 1, 1])
    fewer, more = (estimate([all_of_them] * n, range(n)) for n in (2, 4))
    widths = [one.high - one.low for one in (more, together, fewer)]
    assert 0.4 < widths[0] < widths[1] <= widths[2]


def test_changes_are_no_shares():
    """One phrase of ten is better now, and none worse: that may be chance."""
    changes = [1, *[0] * 9]
    found = estimate(changes, range(10), shares=False)
    low, high = stats.t.interval(0.95, 9, 0.1, stats.sem(changes))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.low < 0


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Three phrases for each of thirty samples, alike within a sample."""
    generator = np.random.default_rng(0)
    truth, rounds, samples = 0.4, 400, np.repeat(np.arange(30), 3)
    clustered = naive = 0
    for _ in range(rounds):
        shared = generator.normal(truth, 1, 30)
        drawn = shared[samples] + generator.normal(0, 0.3, 90)
        found = estimate(drawn, samples)
        clustered += found.low <= truth <= found.high
        low, high = stats.t.interval(0.95, 89, drawn.mean(), stats.sem(drawn))
        naive += low <= truth <= high
    assert 0.92 < clustered / rounds < 0.98
    assert naive / rounds < 0.85
