"""Overlaps of rankings against values worked by hand, sets, and all permutations."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpattr_widget.errors import InputError
from fpattr_widget.retrieval._overlap import (
    average_overlap,
    average_overlap_by_chance,
    jaccard,
    jaccard_by_chance,
    rank_biased_overlap,
    rank_biased_overlap_by_chance,
)


@st.composite
def two_tops(draw):
    """Return two orders of up to nine items, a depth, and a persistence."""
    count = draw(st.integers(1, 9))
    orders = [draw(st.permutations(range(count))) for _ in range(2)]
    return *orders, draw(st.integers(1, count)), draw(st.floats(0.05, 0.95))


def test_values_worked_by_hand():
    first, second = list("abcde"), list("bdaxy")
    # Shared at depths 1 to 5: none; b; a and b; a, b and d; the same.
    shares = [0, 1 / 2, 2 / 3, 3 / 4, 3 / 5]
    assert average_overlap(first, second, 1) == 0
    assert average_overlap(first, second, 3) == pytest.approx((0 + 1 / 2 + 2 / 3) / 3)
    assert average_overlap(first, second, 5) == pytest.approx(sum(shares) / 5)
    assert jaccard(first, second, 2) == pytest.approx(1 / 3)
    assert jaccard(first, second, 5) == pytest.approx(3 / 7)
    by_hand = 0.6 * 0.5**5 + sum(share * 0.5 ** (d + 1) for d, share in enumerate(shares))
    assert rank_biased_overlap(first, second, p=0.5) == pytest.approx(by_hand)


@given(two_tops())
def test_overlaps_are_their_definitions_written_with_sets(case):
    first, second, k, p = case
    sets = [(set(first[:d]), set(second[:d])) for d in range(1, k + 1)]
    shares = [len(one & other) / d for d, (one, other) in enumerate(sets, 1)]
    assert average_overlap(first, second, k) == pytest.approx(sum(shares) / k)
    one, other = sets[-1]
    assert jaccard(first, second, k) == pytest.approx(len(one & other) / len(one | other))
    # Webber et al. 2010, equation 7: the sum to infinity, its agreement constant beyond k.
    endless = shares + [shares[-1]] * 2000
    expected = (1 - p) * sum(p ** (d - 1) * share for d, share in enumerate(endless, 1))
    assert rank_biased_overlap(first, second, p, k) == pytest.approx(expected)


@given(two_tops())
def test_overlaps_know_no_first_and_no_names(case):
    first, second, k, p = case
    letters = [[chr(97 + item) for item in order] for order in (first, second)]
    for value in (average_overlap, jaccard, lambda a, b, k: rank_biased_overlap(a, b, p, k)):
        assert 0 <= value(first, second, k) <= 1 + 1e-12
        assert value(second, first, k) == value(np.array(first), np.array(second), k)
        assert value(*letters, k) == pytest.approx(value(first, second, k))
        assert value(first, first, k) == pytest.approx(1)


@pytest.mark.parametrize("items", [1, 2, 3, 5, 6])
def test_chance_is_the_mean_over_all_orders(items):
    """With the first order fixed, for the names of the items do not matter."""
    first = range(items)
    others = list(permutations(first))
    for k in range(1, items + 1):
        found = [average_overlap(first, other, k) for other in others]
        assert average_overlap_by_chance(k, items) == pytest.approx(np.mean(found))
        found = [jaccard(first, other, k) for other in others]
        assert jaccard_by_chance(k, items) == pytest.approx(np.mean(found))
        for p in (0.3, 0.9):
            found = [rank_biased_overlap(first, other, p, k) for other in others]
            assert rank_biased_overlap_by_chance(k, items, p) == pytest.approx(np.mean(found))


def test_chance_of_large_galleries():
    assert average_overlap_by_chance(10, 5000) == pytest.approx(11 / 10_000)
    # Mostly nothing is shared, seldom one of 19.
    assert jaccard_by_chance(10, 5000) == pytest.approx(100 / 5000 / 19, rel=0.01)
    assert jaccard_by_chance(10, 5000) > 10 / 9990
    assert rank_biased_overlap_by_chance(10, 5000) == pytest.approx((1 - 0.9**10) * 10 / 5000)


@pytest.mark.parametrize(
    ("compute", "argument"),
    [
        (lambda: average_overlap([1, 2], [2, 1], 3), "k"),
        (lambda: average_overlap([1, 2], [2, 1], 0), "k"),
        (lambda: jaccard([1, 2, 3], [2], 2), "k"),
        (lambda: jaccard([1, 1], [2, 1], 2), "first"),
        (lambda: average_overlap([1, 2], [2, 2], 2), "second"),
        (lambda: rank_biased_overlap([1, 2], [1], 0.9), "second"),
        (lambda: rank_biased_overlap([], []), "k"),
        (lambda: rank_biased_overlap([1], [1], 1.0), "p"),
        (lambda: average_overlap_by_chance(3, 2), "k"),
        (lambda: jaccard_by_chance(3, 2), "k"),
        (lambda: rank_biased_overlap_by_chance(1, 2, 0.0), "p"),
        (lambda: rank_biased_overlap_by_chance(1, 0), "items"),
    ],
)
def test_rankings_that_cannot_be_compared_are_refused(compute, argument):
    with pytest.raises(InputError) as refused:
        compute()
    assert refused.value.argument == argument
