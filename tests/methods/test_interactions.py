"""Interactions made of other things: of a matrix, of groups of rows, of two contributions."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from fpattr_widget.methods import Grouped, Groups, Ledger, Product, Recorded, singles
from fpattr_widget.methods._contributions import ExplicitContributions
from fpattr_widget.methods._interactions import finite_numbers
from fpattr_widget.methods._sums import SummedContributions

GENERATOR = np.random.default_rng(0)
VALUES = GENERATOR.normal(size=(4, 3)).astype(np.float32)
OWN = np.arange(1.0, 5.0), np.arange(3.0)
ROWS, COLUMNS = ((0,), (1, 3), (2,)), ((1,), (0, 2))
ERRORS: dict[tuple[Groups, Groups], np.ndarray] = {
    (singles(4), singles(3)): np.ones((4, 3)),
    (ROWS, COLUMNS): VALUES[:3, :2],
}
RECORDED = Recorded(VALUES, Ledger(1, 2, 3, 4, 5, 6), "", OWN, ERRORS)


def test_sums_of_recorded_pairs_are_sums_of_the_matrix():
    rows, columns = GENERATOR.normal(size=(2, 4)), GENERATOR.normal(size=(5, 3))
    np.testing.assert_allclose(RECORDED.rows(rows), rows @ VALUES)
    np.testing.assert_allclose(RECORDED.columns(columns), columns @ VALUES.T)


def test_groups_are_the_sums_of_their_rows_and_columns():
    grouped = Grouped(RECORDED, ROWS, COLUMNS)
    of_rows = np.stack([VALUES[0], VALUES[1] + VALUES[3], VALUES[2]])
    whole = np.stack([of_rows[:, 1], of_rows[:, 0] + of_rows[:, 2]], 1)
    assert grouped.shape == whole.shape
    np.testing.assert_allclose(grouped.rows(np.eye(3)), whole, rtol=1e-6)
    np.testing.assert_allclose(grouped.columns(np.eye(2)), whole.T, rtol=1e-6)
    rows, columns = grouped.first_order()
    assert rows.tolist() == [1, 2 + 4, 3]
    assert columns.tolist() == [1, 0 + 2]
    # The error of a sum is that of all its parts together.
    np.testing.assert_array_equal(grouped.standard_error(singles(3), singles(2)), VALUES[:3, :2])


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
    product = Product(*sides, ("text", "image"), nullcontext)
    error = product.standard_error(singles(4), singles(5))
    assert error.shape == (4, 5)
    assert error == pytest.approx(5.0 / 4)  # on the scale of both embeddings


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_told_and_graphs_are_released(value):
    released: list[str] = []

    def fail() -> np.ndarray:
        raise MemoryError

    def numbers(compute: Callable[[], np.ndarray], name: str) -> np.ndarray:
        return finite_numbers(compute, nullcontext, lambda: released.append(name))

    with pytest.raises(fp.InputError, match="`model` gives attributions that are not finite"):
        numbers(lambda: np.array([1.0, value]), "not finite")
    with pytest.raises(MemoryError):
        numbers(fail, "failed")
    assert numbers(lambda: np.array([1.0, 2.0]), "sound").dtype == np.float32
    assert released == ["not finite", "failed"]


class Watched(ExplicitContributions):
    """Contributions whose errors grow with their weights, and that note what is computed."""

    sampled = True

    def __init__(self, features: int, error: float):
        vectors = torch.from_numpy(GENERATOR.normal(size=(features, 2)))
        super().__init__(vectors, vectors[0], vectors[1], "")
        self.vectors, self._error = vectors.numpy(), error
        self.sums: list[int] = []

    def joint(self, weights: np.ndarray) -> torch.Tensor:
        self.sums.append(len(weights))
        return super().joint(weights)

    def standard_error(self, weights: np.ndarray, directions: torch.Tensor) -> np.ndarray:
        return self._error * np.tile(np.abs(weights.sum(1)), (len(directions), 1))


def test_a_sum_of_inputs_asks_each_for_no_more_than_is_its():
    one, two = Watched(2, 3.0), Watched(3, 4.0)
    summed = SummedContributions([one, two, one], [2.0, -0.5, 1.0])
    vectors = np.concatenate([2 * one.vectors, -0.5 * two.vectors, one.vectors])
    # Weights that cancel are weights; the second row is all of the second input.
    weights = np.array([[1, -1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 1, 1.0]])
    np.testing.assert_allclose(summed.joint(weights), weights @ vectors)
    assert (one.sums, two.sums) == ([2, 1], [2])
    directions = torch.from_numpy(GENERATOR.normal(size=(3, 2)))
    np.testing.assert_allclose(summed.along(directions), directions.numpy() @ vectors.T)
    np.testing.assert_allclose(summed.total, vectors.sum(0))
    # Errors of one input are the same wherever it stands; those of two are independent.
    errors = summed.standard_error(weights, directions)[0]
    np.testing.assert_allclose(errors, [0, 4 * 0.5 * 3, np.hypot(3 * (2 * 2 + 2), 4 * 0.5)])
    itself = SummedContributions([one, one], [1.0, -1.0])
    assert not itself.standard_error(np.ones((1, 4)), directions).any()
