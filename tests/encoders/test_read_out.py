"""Read-outs that heads from outside may make, and what is told of those that are none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.encoders import ReadOut

WEIGHTS = np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.25]])
PARTS = np.array([[0.1, -0.2, 0.0], [0.3, 0.0, 0.1]])
PLAIN = ReadOut(
    ("head 1", "head 2"), ("a", "b", "c"), None, WEIGHTS, np.array([0, 0.25]), PARTS, 0.05, 0.35
)


def test_what_is_said_of_places():
    np.testing.assert_allclose(PLAIN.mean_weights, [0.375, 0.375, 0.125])
    np.testing.assert_allclose(PLAIN.contributions_of_places, [0.4, -0.2, 0.1])
    assert list(PLAIN.effective_places_of_routes) == pytest.approx([2, 3])
    shares = np.array([3, 3, 1]) / 7
    assert PLAIN.effective_places == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    nothing = replace(PLAIN, weights=np.zeros((2, 3)), nowhere=np.ones(2))
    assert nothing.effective_places == 0  # all went nowhere
    change = PLAIN.change_from(nothing)
    np.testing.assert_array_equal(change.nowhere, [-1, -0.75])
    assert replace(PLAIN, weights=WEIGHTS.astype(np.float32)).weights.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": WEIGHTS[:1]}, r"has weights of shape \(1, 3\): pass those of shape \(2, 3\)"),
        ({"nowhere": np.zeros(3)}, r"has nowhere of shape \(3,\): pass those of shape \(2,\)"),
        ({"products": np.zeros((3, 2))}, r"has products of shape \(3, 2\)"),
        ({"contributions": np.full((2, 3), np.inf)}, "has contributions that are no numbers"),
        ({"similarity": float("nan")}, "has scores that are no numbers"),
        ({"compared": {"another": float("inf")}}, "has scores that are no numbers"),
        ({"winners": ("a",)}, "has 1 winners: pass one of each route, or none"),
        ({"grid": (1, 3)}, "needs either names of places or a grid"),
        ({"places": ()}, "needs either names of places or a grid"),
    ],
)
def test_a_read_out_that_is_none_is_told(change: dict[str, Any], message):
    with pytest.raises(fp.InputError, match=message):
        replace(PLAIN, **change)
