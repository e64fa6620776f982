"""Interactions of a score that is the product of two towers' embeddings."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import InputError
from ._contributions import Contributions
from ._interactions import Groups, Ledger, ModelGuard, indicators


class Product:
    """Pairs of two towers' contributions: ``A[i, j] = ⟨c_i, c_j⟩ / (‖h(b)‖ ‖g(a)‖)``.

    For integrated Jacobians this is the second-order attribution of arXiv 2408.14153,
    equation 10; for other methods it is their interaction.

    Parameters
    ----------
    first, second
        Contributions of the row features and of the column features.
    names
        Names of the two inputs' towers.
    guard
        Returns a context that raises ``ModelChanged`` if the model is not what it was when the
        contributions were measured.

    Raises
    ------
    InputError
        When the towers' embeddings are of different lengths.
    """

    def __init__(
        self,
        first: Contributions,
        second: Contributions,
        names: tuple[str, str],
        guard: ModelGuard,
    ):
        if first.embedding.shape != second.embedding.shape:
            raise InputError(
                "model",
                f"embeds the two inputs in spaces of {len(first.embedding)} and "
                f"{len(second.embedding)} dimensions",
                "pass one whose towers share one space",
            )
        self._first, self._second = first, second
        self._names = names
        self._guard = guard
        self._scale = float(first.embedding.norm()) * float(second.embedding.norm())
        self.shape = first.features, second.features
        self.sampled = first.sampled or second.sampled

    def rows(self, weights: np.ndarray) -> np.ndarray:
        return self._finite(lambda: self._second.along(self._first.joint(weights)))

    def columns(self, weights: np.ndarray) -> np.ndarray:
        return self._finite(lambda: self._first.along(self._second.joint(weights)))

    def ledger(self) -> Ledger:
        with self._guard():
            first, second = self._first, self._second

            def product(a: Tensor, b: Tensor) -> float:
                return float(a.double() @ b.double()) / self._scale

            similarity = product(first.embedding, second.embedding)
            baseline = product(first.reference, second.reference)
            first_only = product(first.embedding, second.reference) - baseline
            second_only = product(first.reference, second.embedding) - baseline
            pairs = product(first.total, second.total)
        residual = similarity - (pairs + first_only + second_only + baseline)
        return Ledger(similarity, pairs, first_only, second_only, baseline, residual)

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._first, self._second
        (rows,) = self._finite(lambda: first.along(second.reference[None]))
        (columns,) = self._finite(lambda: second.along(first.reference[None]))
        return rows, columns

    def standard_error(self, groups: Groups) -> np.ndarray:
        """Return the standard error of sums over groups of rows, ``(groups, n_columns)``.

        With ``Σ`` the covariance of an estimated contribution, and both towers' estimates
        independent, its square is ``c_jᵀ Σ_i c_j + c_iᵀ Σ_j c_i`` over the squared scale.
        Estimates take the place of the contributions, which makes it too large by
        ``tr Σ_i Σ_j``.
        """
        rows, columns = indicators(groups, self.shape[0]), np.eye(self.shape[1])

        def compute() -> np.ndarray:
            of_columns = self._second.standard_error(columns, self._first.joint(rows))
            of_rows = self._first.standard_error(rows, self._second.joint(columns)).T
            return np.hypot(of_columns, of_rows)

        with self._guard():
            error = compute() / self._scale
        return error.astype(np.float32)

    def describe(self) -> str:
        first, second = self._first.describe(), self._second.describe()
        if first == second:
            return first
        return f"{self._names[0]} {first} · {self._names[1]} {second}"

    def release(self) -> None:
        self._first.release()
        self._second.release()

    def _finite(self, compute: Callable[[], Any]) -> np.ndarray:
        """Return ``compute()`` over the scale; release both towers' graphs if that fails."""
        try:
            with self._guard():
                values: np.ndarray = compute() / self._scale
            if np.isfinite(values).all():
                return values.astype(np.float32)
        except Exception:
            self.release()  # a graph may be damaged
            raise
        self.release()
        raise InputError(
            "model",
            "gives attributions that are not finite",
            "load it in float32, or choose another `layer`",
        )
