"""``Interactions``: attributions to pairs of features, whatever kind of score is explained."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from ..encoders import ReadOut
from ..errors import InputError

#: Groups of features of a side, such as the tokens of each word.
Groups = tuple[tuple[int, ...], ...]
#: The two parts of a score that a head makes, which add up to its reading ``"exact"``.
PartName = Literal["match", "routing"]
#: Returns a context that raises ``ModelChanged`` at its end if the model has changed.
ModelGuard = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class LedgerTerm:
    """What two inputs, one of each side, add to a ledger; its fields are the ledger's."""

    similarity: float
    pairs: float
    rows_only: float
    columns_only: float
    baseline: float
    residual: float
    left_out: float = 0.0


@dataclass(frozen=True)
class Ledger:
    """The terms that a similarity is the sum of, and what the pairs leave unexplained.

    ``similarity = pairs + rows_only + columns_only + baseline + left_out + residual``.
    With ``s`` the dot product of two embeddings over the norms of the inputs'
    two embeddings, ``a`` and ``b`` the inputs of the two sides and ``r`` their
    references (arXiv 2408.14153, equation 8). Of sums of inputs, each field is the weighted sum
    of those of all pairs of inputs.

    Attributes
    ----------
    similarity
        The cosine, ``s(a, b)``; for sums of inputs the score in the unit that was chosen.
    pairs
        The sum of all pair attributions, special positions included.
    rows_only
        ``s(a, r_b) − s(r_a, r_b)``, with ``a`` the rows: their part whatever the columns.
    columns_only
        ``s(r_a, b) − s(r_a, r_b)``, with ``b`` the columns: their part whatever the rows.
    baseline
        ``s(r_a, r_b)``.
    residual
        The rest. For integrated Jacobians it is the quadrature error; for other
        methods, everything that the pairs do not explain.
    left_out, left_out_name
        Where a head makes the score: what the chosen ``reading`` of it does not show of what
        both sides do together, and what that is in words. Of the readings ``"match"`` and
        ``"routing"`` it is the other of the two; of ``"frozen"`` it is what changes between
        inputs and references in what is read of an image. Else zero, and ``""``.
    match, routing
        The sums of both parts, which add up to the pairs of the reading ``"exact"``; ``None``
        where a head does not make the score, or no derivatives are taken.
    unit_scale
        What a dot product of unit-length embeddings is multiplied by: 1, or for logits the
        model's own scale, or for a cosine of sums one over their norms.
    terms
        One for each pair of inputs, those of the first input of the rows first; they add up to
        the fields above. Empty where both sides are one input, or there are more than 64.
    """

    similarity: float
    pairs: float
    rows_only: float
    columns_only: float
    baseline: float
    residual: float
    left_out: float = 0.0
    left_out_name: str = ""
    match: float | None = None
    routing: float | None = None
    unit_scale: float = 1.0
    terms: tuple[LedgerTerm, ...] = ()

    @property
    def caption_only(self) -> float:
        """``rows_only``, where the rows are a caption."""
        return self.rows_only

    @property
    def image_only(self) -> float:
        """``columns_only``, where the columns are an image."""
        return self.columns_only


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

    def standard_error(self, rows: Groups, columns: Groups) -> np.ndarray:
        """Return the standard error of sums over groups of rows and columns.

        Returns
        -------
        numpy.ndarray
            ``(row groups, column groups)``.
        """
        ...

    def describe(self) -> str:
        """Return in a few words how finely they were measured, such as ``"24 nodes"``."""
        ...

    def release(self) -> None:
        """Release memory that only makes further calls faster."""
        ...


class ReadByHead(Protocol):
    """What is known of inputs whose score a head makes."""

    def read_outs(self) -> tuple[ReadOut, ...]:
        """Return what the head read, for each pair of inputs in the order of a ledger's terms.

        Empty where it has no read-outs.
        """
        ...

    def through(self, place: int) -> Interactions:
        """Return the part that goes through one place, with what is read held fixed.

        All places add up to the reading ``"frozen"``.
        """
        ...


@runtime_checkable
class HeadedInteractions(Interactions, ReadByHead, Protocol):
    """Interactions of a score that a head makes."""

    def part(self, name: PartName) -> Interactions:
        """Return the part ``"match"`` or ``"routing"``, whose ledger leaves the other out."""
        ...


def no_part(name: object) -> InputError:
    """Return the error of pairs that have no such part."""
    return InputError(
        "pairs",
        f"have no part {name!r}, which derivatives of a model have that reads an image by the "
        "caption",
        "call it on what attribute() returned for such a model",
    )


def finite_numbers(
    compute: Callable[[], np.ndarray], guard: ModelGuard, release: Callable[[], None]
) -> np.ndarray:
    """Return ``compute()`` in float32; release graphs if that fails, which may be the cause.

    Raises
    ------
    InputError
        When they are not finite.
    ModelChanged
        When the model changed meanwhile.
    """
    try:
        with guard():
            values = compute()
        if np.isfinite(values).all():
            return values.astype(np.float32)
    except Exception:
        release()
        raise
    release()
    raise InputError(
        "model",
        "gives attributions that are not finite",
        "load it in float32, or choose another `layer`",
    )


def ledger_of(
    similarity: float,
    rows_with: float,
    columns_with: float,
    baseline: float,
    pairs: float,
    unit_scale: float,
) -> Ledger:
    """Return the ledger of four corners.

    Parameters
    ----------
    similarity, rows_with, columns_with, baseline
        ``s(a, b)``, ``s(a, r_b)``, ``s(r_a, b)`` and ``s(r_a, r_b)``, ``a`` the rows.
    pairs
        The sum of all pairs.
    unit_scale
        See :class:`Ledger`.
    """
    rows_only, columns_only = rows_with - baseline, columns_with - baseline
    residual = similarity - (pairs + rows_only + columns_only + baseline)
    return Ledger(
        similarity, pairs, rows_only, columns_only, baseline, residual, unit_scale=unit_scale
    )


def ledger_of_part(ledger: Ledger, name: PartName) -> Ledger:
    """Return the ledger of a part of pairs, in which the other part is left out.

    Parameters
    ----------
    ledger
        Of the reading ``"exact"`` of two inputs, with the sums of both parts.
    name
        ``"match"`` or ``"routing"``.
    """
    other = "routing" if name == "match" else "match"
    shown, left_out = getattr(ledger, name), getattr(ledger, other)
    return replace(ledger, pairs=shown, left_out=left_out, left_out_name=other)


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
        Standard errors of sums over groups of rows and of columns, by both; empty where nothing
        is sampled.
    match
        The part ``"match"`` of all pairs, of their shape; ``None`` where they have no parts.
    reads
        See :meth:`ReadByHead.read_outs`.
    """

    values: np.ndarray
    totals: Ledger
    description: str
    first_order_values: tuple[np.ndarray, np.ndarray] | None
    standard_errors: Mapping[tuple[Groups, Groups], np.ndarray]
    match: np.ndarray | None = None
    reads: tuple[ReadOut, ...] = ()

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

    def standard_error(self, rows: Groups, columns: Groups) -> np.ndarray:
        return self.standard_errors[rows, columns]

    def describe(self) -> str:
        return self.description

    def release(self) -> None:
        """Do nothing: the numbers could not be computed again."""

    def read_outs(self) -> tuple[ReadOut, ...]:
        return self.reads

    def part(self, name: PartName) -> "Recorded":
        """Return a part, in whose ledger terms of several inputs are not listed."""
        if self.match is None:
            raise no_part(name)
        values = self.match if name == "match" else self.values - self.match
        totals = replace(ledger_of_part(self.totals, name), terms=())
        return replace(self, values=values, totals=totals, match=None)

    def through(self, place: int) -> Interactions:
        raise InputError(
            "pairs",
            "are complete or come from a file, without the model that reads through one place",
            "call it on what attribute() returned",
        )


class Grouped:
    """Interactions whose rows and columns are sums over groups of those of others.

    Parameters
    ----------
    parts
        The others.
    rows, columns
        Groups of their features.
    """

    def __init__(self, parts: Interactions, rows: Groups, columns: Groups):
        self._parts = parts
        self._groups = rows, columns
        self._rows = indicators(rows, parts.shape[0])
        self._columns = indicators(columns, parts.shape[1])
        self.shape = len(rows), len(columns)
        self.sampled = parts.sampled

    def rows(self, weights: np.ndarray) -> np.ndarray:
        sums: np.ndarray = self._parts.rows(weights @ self._rows) @ self._columns.T
        return sums

    def columns(self, weights: np.ndarray) -> np.ndarray:
        sums: np.ndarray = self._parts.columns(weights @ self._columns) @ self._rows.T
        return sums

    def ledger(self) -> Ledger:
        return self._parts.ledger()

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = self._parts.first_order()
        return self._rows @ rows, self._columns @ columns

    def standard_error(self, rows: Groups, columns: Groups) -> np.ndarray:
        return self._parts.standard_error(
            _within(self._groups[0], rows), _within(self._groups[1], columns)
        )

    def describe(self) -> str:
        return self._parts.describe()

    def release(self) -> None:
        self._parts.release()

    def read_outs(self) -> tuple[ReadOut, ...]:
        return read_outs_of(self._parts)

    def part(self, name: PartName) -> "Grouped":
        return Grouped(headed(self._parts, name).part(name), *self._groups)

    def through(self, place: int) -> "Grouped":
        return Grouped(headed(self._parts, place).through(place), *self._groups)


def read_outs_of(interactions: Interactions) -> tuple[ReadOut, ...]:
    """Return what a head read; empty where none makes the score."""
    return interactions.read_outs() if isinstance(interactions, HeadedInteractions) else ()


def headed(interactions: Interactions, name: object) -> HeadedInteractions:
    """Return interactions of which a part is asked, or raise ``InputError``."""
    if not isinstance(interactions, HeadedInteractions):
        raise no_part(name)
    return interactions


def _within(parts: Groups, groups: Groups) -> Groups:
    """Return groups of groups as groups of the features of these."""
    return tuple(tuple(feature for index in group for feature in parts[index]) for group in groups)
