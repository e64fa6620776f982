"""What explains a pair of sides: all that pairs ask, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import InputError

#: A partition of the row features, such as the tokens of each word.
Groups = tuple[tuple[int, ...], ...]
#: Makes a context that raises ``ModelChanged`` at its end if the model has changed.
Unchanged = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Ledger:
    """The sum that shows what was lost.

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
        ``s(r_a, b) − s(r_a, r_b)``: what the caption brings whatever the image.
    image_only
        ``s(a, r_b) − s(r_a, r_b)``.
    baseline
        ``s(r_a, r_b)``.
    residual
        What is left. Integrated Jacobians leave the error of the integration
        alone; other methods all that pairs do not explain.
    """

    similarity: float
    pairs: float
    caption_only: float
    image_only: float
    baseline: float
    residual: float


class Interactions(Protocol):
    """Signed attributions of a score to pairs of row and column features.

    They are computed when asked for, by any thread. Nothing that asks knows what kind of
    score is explained: a product of two towers, one conditioned on an input, or a file's.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of row and of column features, special positions included."""
        ...

    def rows(self, weights: np.ndarray) -> np.ndarray:
        """Return weighted sums of rows, ``(m, n_rows)`` to ``(m, n_columns)``."""
        ...

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return weighted sums of columns, ``(m, n_columns)`` to ``(m, n_rows)``."""
        ...

    def ledger(self) -> Ledger:
        """Return the score and what it is made of."""
        ...

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what row features and column features bring by themselves.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            ``(n_rows,)`` and ``(n_columns,)``, whatever stands on the other side.
        """
        ...

    @property
    def sampled(self) -> bool:
        """Whether these are estimates from random samples, with a standard error."""
        ...

    def standard_error(self, groups: Groups) -> np.ndarray:
        """Return the standard error of the sums of groups of rows, ``(groups, n_columns)``."""
        ...

    def describe(self) -> str:
        """Return in a few words how finely they were measured, such as ``"24 nodes"``."""
        ...

    def release(self) -> None:
        """Release memory that only makes further calls faster."""
        ...


def singles(count: int) -> Groups:
    """Return the partition in which each feature stands alone."""
    return tuple((index,) for index in range(count))


def indicators(groups: Sequence[Sequence[int]], count: int) -> np.ndarray:
    """Return which of ``count`` features are in each group, ``(groups, count)`` float32."""
    weights = np.zeros((len(groups), count), np.float32)
    for row, members in zip(weights, groups, strict=True):
        row[list(members)] = 1
    return weights


@dataclass(frozen=True, eq=False)
class Recorded:
    """Interactions that are all there: computed before, or read from a file.

    Attributes
    ----------
    values
        All pairs, ``(n_rows, n_columns)`` float32.
    sums
        The ledger.
    description
        How finely they were measured, in words.
    own
        What features bring by themselves, ``(n_rows,)`` and ``(n_columns,)``; ``None`` where a
        file does not hold it.
    errors
        Standard errors of the sums of groups of rows; empty where nothing was left to chance.
    """

    values: np.ndarray
    sums: Ledger
    description: str
    own: tuple[np.ndarray, np.ndarray] | None
    errors: Mapping[Groups, np.ndarray]

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.values.shape
        return rows, columns

    @property
    def sampled(self) -> bool:
        return bool(self.errors)

    def rows(self, weights: np.ndarray) -> np.ndarray:
        sums: np.ndarray = weights @ self.values
        return sums

    def columns(self, weights: np.ndarray) -> np.ndarray:
        sums: np.ndarray = weights @ self.values.T
        return sums

    def ledger(self) -> Ledger:
        return self.sums

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        if self.own is None:
            raise InputError(
                "pairs",
                "come from a file, which does not hold what features bring by themselves",
                "call first_order() on pairs that attribute() returned",
            )
        return self.own

    def standard_error(self, groups: Groups) -> np.ndarray:
        return self.errors[groups]

    def describe(self) -> str:
        return self.description

    def release(self) -> None:
        """Keep everything: it is all there is."""


class GroupedRows:
    """Interactions whose rows are sums over groups of other interactions' rows."""

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
