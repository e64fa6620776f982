"""Interactions of a score that is the product of two sides' embeddings."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import InputError
from ._contributions import Contributions
from ._interactions import Groups, Ledger, LedgerTerm, ModelGuard, finite_numbers, indicators
from ._sums import SummedContributions

#: Pairs of inputs whose terms a ledger lists.
MOST_TERMS = 64


class Product:
    """Pairs of two sides' contributions: ``A[i, j] = ⟨c_i, c_j⟩ · scale``.

    With ``scale = 1 / ‖h(b)‖ ‖g(a)‖`` and integrated Jacobians, this is the second-order
    attribution of arXiv 2408.14153, equation 10; for other methods it is their interaction.

    Parameters
    ----------
    first, second
        Contributions of the row features and of the column features.
    names
        What the two sides are called where they were measured differently.
    guard
        Returns a context that raises ``ModelChanged`` if the model is not what it was when the
        contributions were measured.
    scale
        What dot products of contributions are multiplied by.
    unit_scale
        See :class:`Ledger`.

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
        scale: float | None = None,
        unit_scale: float = 1.0,
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
        if scale is None:
            scale = 1 / (float(first.embedding.norm()) * float(second.embedding.norm()))
        self._scale = scale
        self._unit_scale = unit_scale
        self.shape = first.features, second.features
        self.sampled = first.sampled or second.sampled

    def rows(self, weights: np.ndarray) -> np.ndarray:
        return self._finite(lambda: self._second.along(self._first.joint(weights)))

    def columns(self, weights: np.ndarray) -> np.ndarray:
        return self._finite(lambda: self._first.along(self._second.joint(weights)))

    def ledger(self) -> Ledger:
        with self._guard():
            first, second = _Ends.of(self._first), _Ends.of(self._second)

        def products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            # Not by BLAS, whose last digit depends on where in memory the numbers lie.
            values: np.ndarray = (a[:, None] * b[None]).sum(-1) * self._scale
            return values.ravel()

        similarity = products(first.embedding, second.embedding)
        baseline = products(first.reference, second.reference)
        rows_only = products(first.embedding, second.reference) - baseline
        columns_only = products(first.reference, second.embedding) - baseline
        pairs = products(first.total, second.total)
        residual = similarity - (pairs + rows_only + columns_only + baseline)
        fields = similarity, pairs, rows_only, columns_only, baseline, residual
        terms = np.stack(fields, 1)
        listed = 1 < len(terms) <= MOST_TERMS
        together = LedgerTerm(*terms.sum(0).tolist())
        return Ledger(
            **asdict(together),
            unit_scale=self._unit_scale,
            terms=tuple(LedgerTerm(*term) for term in terms.tolist()) if listed else (),
        )

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._first, self._second
        (rows,) = self._finite(lambda: first.along(second.reference[None]))
        (columns,) = self._finite(lambda: second.along(first.reference[None]))
        return rows, columns

    def standard_error(self, rows: Groups, columns: Groups) -> np.ndarray:
        """Return the standard error of sums over groups, ``(row groups, column groups)``.

        With ``Σ`` the covariance of an estimated contribution, and both sides' estimates
        independent, its square is ``c_jᵀ Σ_i c_j + c_iᵀ Σ_j c_i`` times the squared scale.
        Estimates take the place of the contributions, which makes it too large by
        ``tr Σ_i Σ_j``.
        """
        of_rows, of_columns = indicators(rows, self.shape[0]), indicators(columns, self.shape[1])

        def compute() -> np.ndarray:
            second = self._second.standard_error(of_columns, self._first.joint(of_rows))
            first = self._first.standard_error(of_rows, self._second.joint(of_columns)).T
            return np.hypot(second, first)

        with self._guard():
            error = compute() * abs(self._scale)
        return error.astype(np.float32)

    def describe(self) -> str:
        return both_described(self._names, self._first, self._second)

    def release(self) -> None:
        self._first.release()
        self._second.release()

    def _finite(self, compute: Callable[[], Any]) -> np.ndarray:
        """Return ``compute()`` times the scale; release both sides' graphs if that fails."""
        return finite_numbers(lambda: compute() * self._scale, self._guard, self.release)


def both_described(names: tuple[str, str], first: Contributions, second: Contributions) -> str:
    """Return in a few words how finely two sides were measured."""
    described = first.describe(), second.describe()
    if described[0] == described[1]:
        return described[0]
    return f"{names[0]} {described[0]} · {names[1]} {described[1]}"


@dataclass(frozen=True)
class _Ends:
    """Where the paths of a side's inputs begin and end, each ``(inputs, K)`` float64."""

    embedding: np.ndarray
    reference: np.ndarray
    total: np.ndarray

    @staticmethod
    def of(side: Contributions) -> "_Ends":
        parts: Sequence[Contributions] = (side,)
        factors = np.ones((1, 1))
        if isinstance(side, SummedContributions):
            parts, factors = side.parts, np.array(side.factors)[:, None]

        def stack(vectors: Sequence[Tensor]) -> np.ndarray:
            rows = [vector.double().cpu().numpy() for vector in vectors]
            scaled: np.ndarray = factors * np.stack(rows)
            return scaled

        return _Ends(
            stack([part.embedding for part in parts]),
            stack([part.reference for part in parts]),
            stack([part.total for part in parts]),
        )
