"""Interactions of two sums of inputs whose score is no product: those of all pairs of inputs."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import pairwise

import numpy as np

from ..encoders import ReadOut
from ..errors import InputError
from ._interactions import (
    Groups,
    Interactions,
    Ledger,
    LedgerTerm,
    PartName,
    headed,
    read_outs_of,
)
from ._product import MOST_TERMS


class PairwiseSum:
    """``Σ_kl w_kl A_kl`` of the pairs of inputs, each in its own place; see ``Interactions``.

    Parameters
    ----------
    blocks
        The interactions of each input of the rows with each of the columns.
    factors
        What each is multiplied by, ``(inputs of the rows, inputs of the columns)``.
    unit_scale
        See :class:`Ledger`.

    Raises
    ------
    InputError
        When they are sampled: pairs that share an input would share its error.
    """

    sampled = False

    def __init__(
        self, blocks: Sequence[Sequence[Interactions]], factors: np.ndarray, unit_scale: float
    ):
        if any(block.sampled for row in blocks for block in row):
            raise InputError(
                "method",
                "draws samples, and its error is not known for sums of inputs with such a model",
                "pass one input on each side, or method='integrated_jacobians'",
            )
        self._blocks = [list(row) for row in blocks]
        self._factors = factors
        self._unit_scale = unit_scale
        self._row_places = _places([row[0].shape[0] for row in blocks])
        self._column_places = _places([block.shape[1] for block in blocks[0]])
        self.shape = self._row_places[-1].stop, self._column_places[-1].stop

    def rows(self, weights: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(weights), self.shape[1]), np.float32)
        for row, column, block, factor in self._all():
            places = self._row_places[row], self._column_places[column]
            _add(sums, block.rows, weights, places, factor)
        return sums

    def columns(self, weights: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(weights), self.shape[0]), np.float32)
        for row, column, block, factor in self._all():
            places = self._column_places[column], self._row_places[row]
            _add(sums, block.columns, weights, places, factor)
        return sums

    def ledger(self) -> Ledger:
        names = [field.name for field in fields(LedgerTerm)]
        factors = [factor for _, _, _, factor in self._all()]
        ledgers = [block.ledger() for _, _, block, _ in self._all()]
        terms = [
            LedgerTerm(**{name: factor * getattr(ledger, name) for name in names})
            for factor, ledger in zip(factors, ledgers, strict=True)
        ]
        sums = {name: sum(getattr(term, name) for term in terms) for name in names}
        listed = 1 < len(terms) <= MOST_TERMS
        return Ledger(
            **sums,
            left_out_name=ledgers[0].left_out_name,
            match=_weighted_sum(factors, [ledger.match for ledger in ledgers]),
            routing=_weighted_sum(factors, [ledger.routing for ledger in ledgers]),
            unit_scale=self._unit_scale,
            terms=tuple(terms) if listed else (),
        )

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = (np.zeros(count, np.float32) for count in self.shape)
        for row, column, block, factor in self._all():
            of_rows, of_columns = block.first_order()
            rows[self._row_places[row]] += factor * of_rows
            columns[self._column_places[column]] += factor * of_columns
        return rows, columns

    def standard_error(self, rows: Groups, columns: Groups) -> np.ndarray:
        return np.zeros((len(rows), len(columns)), np.float32)

    def describe(self) -> str:
        described = list(dict.fromkeys(block.describe() for _, _, block, _ in self._all()))
        if len(described) > 3:
            described = [*described[:2], "…", described[-1]]
        return ", ".join(described)

    def release(self) -> None:
        for _, _, block, _ in self._all():
            block.release()

    def read_outs(self) -> tuple[ReadOut, ...]:
        blocks = [block for _, _, block, _ in self._all()]
        if len(blocks) > MOST_TERMS:
            return ()
        return tuple(read_out for block in blocks for read_out in read_outs_of(block))

    def part(self, name: PartName) -> "PairwiseSum":
        return self._with(lambda block: headed(block, name).part(name))

    def through(self, place: int) -> "PairwiseSum":
        return self._with(lambda block: headed(block, place).through(place))

    def _with(self, change: Callable[[Interactions], Interactions]) -> "PairwiseSum":
        blocks = [[change(block) for block in row] for row in self._blocks]
        return PairwiseSum(blocks, self._factors, self._unit_scale)

    def _all(self) -> list[tuple[int, int, Interactions, float]]:
        return [
            (row, column, block, float(self._factors[row, column]))
            for row, of_row in enumerate(self._blocks)
            for column, block in enumerate(of_row)
        ]


def _weighted_sum(factors: Sequence[float], values: Sequence[float | None]) -> float | None:
    """Return a weighted sum, or ``None`` where there is no such value."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return sum(factor * value for factor, value in zip(factors, known, strict=True))


def _places(counts: Sequence[int]) -> list[slice]:
    ends = np.cumsum([0, *counts])
    return [slice(int(start), int(stop)) for start, stop in pairwise(ends)]


def _add(
    sums: np.ndarray,
    compute: Callable[[np.ndarray], np.ndarray],
    weights: np.ndarray,
    places: tuple[slice, slice],
    factor: float,
) -> None:
    """Add what weighted features in the first place give to those in the second."""
    read, written = places
    used = np.flatnonzero((weights[:, read] != 0).any(1))
    if len(used):
        sums[used, written] += factor * compute(weights[used, read])
