"""Interactions made of other things: of a matrix, of groups of rows, of two contributions."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from fpattr_widget.methods import GroupedRows, Groups, Ledger, Product, Recorded, singles
from fpattr_widget.methods._contributions import ExplicitContributions

GENERATOR = np.random.default_rng(0)
VALUES = GENERATOR.normal(size=(4, 3)).astype(np.float32)
OWN = np.arange(1.0, 5.0), np.arange(3.0)
ERRORS: dict[Groups, np.ndarray] = {singles(4): np.ones((4, 3)), ((0,), (1, 3), (2,)): VALUES[:3]}
RECORDED = Recorded(VALUES, Ledger(1, 2, 3, 4, 5, 6), "", OWN, ERRORS)


def test_sums_of_recorded_pairs_are_sums_of_the_matrix():
    rows, columns = GENERATOR.normal(size=(2, 4)), GENERATOR.normal(size=(5, 3))
    np.testing.assert_allclose(RECORDED.rows(rows), rows @ VALUES)
    np.testing.assert_allclose(RECORDED.columns(columns), columns @ VALUES.T)


def test_groups_are_the_sums_of_their_rows():
    grouped = GroupedRows(RECORDED, ((0,), (1, 3), (2,)))
    whole = np.stack([VALUES[0], VALUES[1] + VALUES[3], VALUES[2]])
    np.testing.assert_allclose(grouped.rows(np.eye(3)), whole, rtol=1e-6)
    np.testing.assert_allclose(grouped.columns(np.eye(3)), whole.T, rtol=1e-6)
    tokens, patches = grouped.first_order()
    assert tokens.tolist() == [1, 2 + 4, 3]
    assert patches is OWN[1]
    # The error of a sum is that of all its parts together.
    np.testing.assert_array_equal(grouped.standard_error(singles(3)), VALUES[:3])


class Uncertain(ExplicitContributions):
    """Contributions each of which has the same error along every direction."""

    sampled = True

    def __init__(self, vectors: torch.Tensor, error: float):
        super().__init__(vectors, 2 * torch.eye(2)[0], torch.zeros(2), "")
        self._error = error

    def standard_error(self, weights: np.ndarray, directions: torch.Tensor) -> np.ndarray:
        return np.full((len(directions), len(weights)), self._error)


def test_the_errors_of_both_sides_add_up_as_of_independent_draws():
    sides = Uncertain(torch.ones(4, 2), 3.0), Uncertain(torch.ones(5, 2), 4.0)
    error = Product(*sides, ("text", "image"), nullcontext).standard_error(singles(4))
    assert error.shape == (4, 5)
    assert error == pytest.approx(5.0 / 4)  # on the scale of both embeddings
