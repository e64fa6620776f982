"""Interactions of a score that is the product of two towers' embeddings."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import InputError
from ._contributions import Contributions
from ._interactions import Groups, Ledger, Unchanged, indicators


class Product:
    """Pairs of two towers' contributions: ``A[i, j] = ⟨c_i, c_j⟩ / (‖h(b)‖ ‖g(a)‖)``.

    This is the second-order attribution of arXiv 2408.14153, equation 10, for integrated
    Jacobians, and the interaction of each other method; no method knows the other tower.

    Parameters
    ----------
    first, second
        Contributions of the row features and of the column features.
    names
        What readers call the two inputs' towers.
    unchanged
        Makes a context in which the model has to be what it was when they were measured.

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
        unchanged: Unchanged,
    ):
        if first.embedding.shape != second.embedding.shape:
            raise InputError(
                "model",
                f"embeds its inputs in {len(first.embedding)} and in {len(second.embedding)} "
                "numbers",
                "pass one whose towers share one space",
            )
        self._first, self._second = first, second
        self._names = names
        self._unchanged = unchanged
        self._scale = float(first.embedding.norm()) * float(second.embedding.norm())
        self.shape = first.features, second.features
        self.sampled = first.sampled or second.sampled

    def rows(self, weights: np.ndarray) -> np.ndarray:
        return self._finite(lambda: self._second.along(self._first.joint(weights)))

    def columns(self, weights: np.ndarray) -> np.ndarray:
        return self._finite(lambda: self._first.along(self._second.joint(weights)))

    def ledger(self) -> Ledger:
        with self._unchanged():
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
        own = (
            self._finite(lambda: first.along(second.reference[None])),
            self._finite(lambda: second.along(first.reference[None])),
        )
        return own[0][0], own[1][0]

    def standard_error(self, groups: Groups) -> np.ndarray:
        """Return the standard error of the sums of groups of rows, ``(groups, n_columns)``.

        With ``Σ`` the covariance of an estimated contribution, and both towers' estimates
        independent, its square is ``c_jᵀ Σ_i c_j + c_iᵀ Σ_j c_i`` over the squared scale. The
        estimates stand for the contributions, so that it is rather too large, by ``tr Σ_i Σ_j``.
        """
        rows, columns = indicators(groups, self.shape[0]), np.eye(self.shape[1])

        def compute() -> np.ndarray:
            of_columns = self._second.standard_error(columns, self._first.joint(rows))
            of_rows = self._first.standard_error(rows, self._second.joint(columns)).T
            return np.hypot(of_columns, of_rows)

        with self._unchanged():
            error = compute() / self._scale
        return error.astype(np.float32)

    def describe(self) -> str:
        each = self._first.describe(), self._second.describe()
        if each[0] == each[1]:
            return each[0]
        return " · ".join(f"{name} {words}" for name, words in zip(self._names, each, strict=True))

    def release(self) -> None:
        self._first.release()
        self._second.release()

    def _finite(self, compute: Callable[[], Any]) -> np.ndarray:
        """Compute with both towers; where that fails, release what they have recorded."""
        try:
            with self._unchanged():
                values: np.ndarray = compute() / self._scale
            if np.isfinite(values).all():
                return values.astype(np.float32)
        except Exception:
            self.release()  # it may hold the reason
            raise
        self.release()
        raise InputError(
            "model",
            "gives attributions that are not finite",
            "load it in float32, or choose another `layer`",
        )
