"""``Interactions``: attributions to pairs of features, whatever kind of score is explained."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import InputError

#: Groups of row features, such as the tokens of each word.
Groups = tuple[tuple[int, ...], ...]
#: Returns a context that raises ``ModelChanged`` at its end if the model has changed.
ModelGuard = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Ledger:
    """The terms that a similarity is the sum of, and what the pairs leave unexplained.

    ``similarity = pairs + caption_only + image_only + baseline + residual``.
    With ``s`` the dot product of two embeddings over the norms of the input's
    two embeddings, ``a`` the image, ``b`` the caption and ``r`` their
    references (arXiv 2408.14153, equation 8):

    Attributes
    ----------
    similarity
        The cosine, ``s(a, b)``.
    pairs
        The sum of all pair attributions, special positions included.
    caption_only
        ``s(r_a, b) − s(r_a, r_b)``: the caption's part whatever the image.
    image_only
        ``s(a, r_b) − s(r_a, r_b)``: the image's part whatever the caption.
    baseline
        ``s(r_a, r_b)``.
    residual
        The rest. For integrated Jacobians it is the quadrature error; for other
        methods, everything that the pairs do not explain.
    """

    similarity: float
    pairs: float
    caption_only: float
    image_only: float
    baseline: float
    residual: float


class Interactions(Protocol):
    """Signed attributions of a score to pairs of row and column features.

    They are computed when they are needed, on any thread. Callers need not know what kind of
    score is explained: a product of two embeddings, or numbers from a file.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Number of row features and of column features, special positions included."""
        ...

    def rows(self, weights: np.ndarray) -> np.ndarray:
        """Return weighted sums of rows, ``(m, n_rows)`` to ``(m, n_columns)``."""
        ...

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return weighted sums of columns, ``(m, n_columns)`` to ``(m, n_rows)``."""
        ...

    def ledger(self) -> Ledger:
        """Return the terms that the score is the sum of."""
        ...

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each feature's attribution whatever the other input is.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            ``(n_rows,)`` and ``(n_columns,)``.
        """
        ...

    @property
    def sampled(self) -> bool:
        """Whether these are estimates from random samples, with a standard error."""
        ...

    def standard_error(self, groups: Groups) -> np.ndarray:
        """Return the standard error of sums over groups of rows, ``(groups, n_columns)``."""
        ...

    def describe(self) -> str:
        """Return in a few words how finely they were measured, such as ``"24 nodes"``."""
        ...

    def release(self) -> None:
        """Release memory that only makes further calls faster."""
        ...


def singles(count: int) -> Groups:
    """Return one group for each feature."""
    return tuple((index,) for index in range(count))


def indicators(groups: Sequence[Sequence[int]], count: int) -> np.ndarray:
    """Return 1 for each feature in a group and else 0, ``(groups, count)`` float32."""
    weights = np.zeros((len(groups), count), np.float32)
    for row, members in zip(weights, groups, strict=True):
        row[list(members)] = 1
    return weights


@dataclass(frozen=True, eq=False)
class Recorded:
    """Interactions that are complete: computed earlier, or read from a file.

    Attributes
    ----------
    values
        All pairs, ``(n_rows, n_columns)`` float32.
    totals
        The ledger.
    description
        How finely they were measured, in words.
    first_order_values
        See :meth:`Interactions.first_order`; ``None`` if a file does not hold them.
    standard_errors
        Standard errors of sums over groups of rows, by the groups; empty where nothing is
        sampled.
    """

    values: np.ndarray
    totals: Ledger
    description: str
    first_order_values: tuple[np.ndarray, np.ndarray] | None
    standard_errors: Mapping[Groups, np.ndarray]

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.values.shape
        return rows, columns

    @property
    def sampled(self) -> bool:
        return bool(self.standard_errors)

    def rows(self, weights: np.ndarray) -> np.ndarray:
        sums: np.ndarray = weights @ self.values
        return sums

    def columns(self, weights: np.ndarray) -> np.ndarray:
        sums: np.ndarray = weights @ self.values.T
        return sums

    def ledger(self) -> Ledger:
        return self.totals

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        if self.first_order_values is None:
            raise InputError(
                "pairs",
                "come from a file, which does not contain first-order attributions",
                "call first_order() on pairs that attribute() returned",
            )
        return self.first_order_values

    def standard_error(self, groups: Groups) -> np.ndarray:
        return self.standard_errors[groups]

    def describe(self) -> str:
        return self.description

    def release(self) -> None:
        """Do nothing: the numbers could not be computed again."""


class GroupedRows:
    """Interactions whose rows are sums over groups of the rows of others."""

    def __init__(self, parts: Interactions, groups: Groups):
        self._parts = parts
        self._groups = groups
        self._members = indicators(groups, parts.shape[0])
        self.shape = len(groups), parts.shape[1]
        self.sampled = parts.sampled

    def rows(self, weights: np.ndarray) -> np.ndarray:
        return self._parts.rows(weights @ self._members)

    def columns(self, weights: np.ndarray) -> np.ndarray:
        sums: np.ndarray = self._parts.columns(weights) @ self._members.T
        return sums

    def ledger(self) -> Ledger:
        return self._parts.ledger()

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = self._parts.first_order()
        return self._members @ rows, columns

    def standard_error(self, groups: Groups) -> np.ndarray:
        joined = (sum((self._groups[index] for index in group), ()) for group in groups)
        return self._parts.standard_error(tuple(joined))

    def describe(self) -> str:
        return self._parts.describe()

    def release(self) -> None:
        self._parts.release()
