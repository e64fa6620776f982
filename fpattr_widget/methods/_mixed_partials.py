"""Interactions of a score that a head makes of two towers' outputs: its mixed second derivatives.

With ``h(β)`` and ``u(α)`` the outputs of the rows' tower (a text's) and of the columns' (an
image's) along their paths, and ``f`` the score,

    A[i, j] = ∬ ∂²f/∂b_i ∂a_j [δb_i, δa_j] dα dβ,
    Σ A = f(b, a) − f(r_b, a) − f(b, r_a) + f(r_b, r_a).

A row is one backward pass of the columns' tower from ``G_i(α) = Σ_β w_β ∂_u(∂_h f [dh_i(β)])``.
The towers run at their own nodes alone, and the head on the grid of both.

The text enters a head twice: it routes what is read of an image, and it is compared with that.
The derivative by ``h`` is the sum of those by the two, so that ``A = routing + match``, exactly.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from ..choices import Norms
from ..encoders import Head, ReadOut, both_embeddings, cosines
from ..progress import checkpoint
from ._interactions import (
    Groups,
    Interactions,
    Ledger,
    ModelGuard,
    PartName,
    ReadByHead,
    finite_numbers,
    ledger_of,
    ledger_of_part,
)
from ._path import IntegratedContributions
from ._product import both_described
from ._quadrature import Quadrature

# Numbers that a head may keep for each number that it is given.
_KEPT_BY_HEAD = 16
# Copies of a tower's tangents or gradients at all nodes that are held at once.
_KEPT_OF_TANGENTS = 3


@dataclass(frozen=True)
class HeadScore:
    """A score ``f`` along the paths of two inputs.

    Attributes
    ----------
    head
        Makes the two embeddings.
    length
        ``‖mix‖‖embed‖`` of the inputs, by which inner products are divided; ``None`` to divide
        by the lengths of the embeddings that are compared, so that each is a cosine.
    """

    head: Head
    length: float | None

    @staticmethod
    def of(head: Head, image: Tensor, text: Tensor, norms: Norms) -> "HeadScore":
        """Return the score of two inputs, given their towers' outputs ``(K,)``."""
        if norms == "moving":
            return HeadScore(head, None)
        with torch.no_grad():
            mixed, embedded = both_embeddings(head, image, text)
        return HeadScore(head, float(mixed.double().norm() * embedded.double().norm()))

    def __call__(self, image: Tensor, text: Tensor, routed_by: Tensor | None = None) -> Tensor:
        """Return scores, ``(..., K_image)`` and ``(..., K_text)`` to ``(...)``.

        Parameters
        ----------
        image, text
            The towers' outputs.
        routed_by
            The text's output where it chooses what is read; ``None`` for ``text``.
        """
        mixed, embedded = both_embeddings(self.head, image, text, routed_by)
        if self.length is None:
            mixed, embedded = (nn.functional.normalize(each, dim=-1) for each in (mixed, embedded))
            return (mixed * embedded).sum(-1)
        return (mixed * embedded).sum(-1) / self.length


class MixedPartials:
    """Pairs of a head's score; see ``Interactions``.

    Parameters
    ----------
    score
        The score along the paths.
    rows, columns
        Both towers along their paths: a text's, and an image's.
    names
        What the two sides are called where they were measured differently.
    guard
        See :class:`.Product`.
    memory_limit
        Bytes that the head may use.
    unit_scale
        What scores are multiplied by; see :class:`Ledger`.
    pair
        The two inputs, with what the head read of them.
    """

    sampled = False

    def __init__(
        self,
        score: HeadScore,
        rows: IntegratedContributions,
        columns: IntegratedContributions,
        names: tuple[str, str],
        guard: ModelGuard,
        memory_limit: int,
        unit_scale: float,
        pair: ReadByHead,
    ):
        self._score = score
        self._rows, self._columns = rows, columns
        self._names = names
        self._routes = self._meets = True
        self._guard = guard
        self._limit = memory_limit
        self._scale = unit_scale
        self._pair = pair
        self._part: PartName | None = None
        self._sums: list[float] = []
        self.shape = rows.features, columns.features

    def part(self, name: PartName) -> "MixedPartials":
        same = copy.copy(self)
        same._part = name
        same._routes, same._meets = name == "routing", name == "match"
        return same

    def read_outs(self) -> tuple[ReadOut, ...]:
        return self._pair.read_outs()

    def through(self, place: int) -> Interactions:
        return self._pair.through(place)

    def with_nodes(
        self, rows: Quadrature, columns: Quadrature, tolerance: float
    ) -> "MixedPartials":
        """Return the same pairs by other nodes; ``tolerance`` as in :meth:`.Path.integrate`."""
        same = copy.copy(self)
        same._rows, same._columns = (
            side if len(side.rule) == len(rule) else side.path.integrate(rule, tolerance)
            for side, rule in ((self._rows, rows), (self._columns, columns))
        )
        same._sums = []
        return same

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of nodes of the rows' tower and of the columns'."""
        return self._rows.steps, self._columns.steps

    def finer_counts(self, most: int) -> tuple[int, int]:
        """Return numbers of nodes with more on the side that leaves more of ``Σ A`` open.

        The same numbers where neither side may have more.

        Parameters
        ----------
        most
            The most nodes of a side.
        """
        rows, columns = self.counts
        more = [side.path.more_nodes(side.steps) for side in (self._rows, self._columns)]
        choices = [(more[0], columns), (rows, more[1])]
        open_ = self._gaps()
        if open_[1] > open_[0]:
            choices.reverse()
        return next((pair for pair in choices if max(pair) <= most), (rows, columns))

    def rows(self, weights: np.ndarray) -> np.ndarray:
        return self._finite(lambda: self.row_sums(weights))

    def columns(self, weights: np.ndarray) -> np.ndarray:
        return self._finite(lambda: self.column_sums(weights))

    def row_sums(self, weights: np.ndarray) -> Tensor:
        """Return weighted sums of rows of ``f``, ``(m, n_rows)`` to ``(m, n_columns)``.

        In the towers' own precision, and in no unit.
        """

        def sums(some: np.ndarray) -> Tensor:
            towards = self._from_rows(self._rows.nodes.tangents(some))
            return self._columns.nodes.along_at_nodes(towards)

        return torch.cat([sums(some) for some in self._few_at_once(weights)])

    def column_sums(self, weights: np.ndarray) -> Tensor:
        """Return weighted sums of columns, ``(m, n_columns)`` to ``(m, n_rows)``."""
        if len(weights) > self.shape[0]:  # fewer passes give all rows, and they all columns
            rows = self.row_sums(np.eye(self.shape[0]))
            return torch.as_tensor(weights).to(rows) @ rows.T

        def sums(some: np.ndarray) -> Tensor:
            towards = self._from_columns(self._columns.nodes.tangents(some))
            return self._rows.nodes.along_at_nodes(towards)

        return torch.cat([sums(some) for some in self._few_at_once(weights)])

    def ledger(self) -> Ledger:
        with self._guard():
            (both, rows_with), (columns_with, neither) = self._corners()
            match, routing = self._sums_of_parts()
        ledger = ledger_of(both, rows_with, columns_with, neither, match + routing, self._scale)
        ledger = replace(ledger, match=match, routing=routing)
        return ledger if self._part is None else ledger_of_part(ledger, self._part)

    def gap(self) -> float:
        """Return how far ``Σ A`` is from the four corners, relative to the largest of them."""
        mixed, largest = self._mixed_corners()
        open_ = abs(mixed - sum(self._sums_of_parts()))
        return open_ / largest if largest else open_

    def _gaps(self) -> tuple[float, float]:
        """Return what the rows' nodes leave open of ``Σ A``, and what the columns' do.

        Between the two stands the integral along the columns' path alone, of the difference
        that the rows make.
        """
        nodes = self._columns.nodes
        image = nodes.values().requires_grad_()
        ends = self._rows.embedding, self._rows.reference
        with self._differentiable():
            difference = self._score(image, ends[0]) - self._score(image, ends[1])
            (gradient,) = _gradients(difference.sum(), image)
        change = self._columns.path.derivative(self._columns.rule.nodes).to(gradient)
        along_columns = float(nodes.weights @ (gradient * change).sum(-1)) * self._scale
        mixed, _ = self._mixed_corners()
        return abs(sum(self._sums_of_parts()) - along_columns), abs(along_columns - mixed)

    def _mixed_corners(self) -> tuple[float, float]:
        """Return what ``Σ A`` is without quadrature, and the largest corner."""
        (both, rows_with), (columns_with, neither) = self._corners()
        corners = both, rows_with, columns_with, neither
        return both - rows_with - columns_with + neither, max(map(abs, corners))

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        images, texts = self._columns.nodes, self._rows.nodes

        def of_rows() -> Tensor:
            nodes = texts.values().requires_grad_()
            with self._differentiable():
                scores = self._score(self._columns.reference, nodes)
                (gradient,) = _gradients(scores.sum(), nodes)
            return texts.along_at_nodes(gradient[None])[0]

        def of_columns() -> Tensor:
            nodes = images.values().requires_grad_()
            with self._differentiable():
                scores = self._score(nodes, self._rows.reference)
                (gradient,) = _gradients(scores.sum(), nodes)
            return images.along_at_nodes(gradient[None])[0]

        # At once, because whether the model has changed is asked each time.
        both = self._finite(lambda: torch.cat([of_rows(), of_columns()]))
        return both[: self.shape[0]], both[self.shape[0] :]

    def standard_error(self, rows: Groups, columns: Groups) -> np.ndarray:
        return np.zeros((len(rows), len(columns)), np.float32)

    def describe(self) -> str:
        return both_described(self._names, self._rows, self._columns)

    def release(self) -> None:
        self._rows.release()
        self._columns.release()

    def _corners(self) -> list[list[float]]:
        """Return ``[[f(b, a), f(b, r_a)], [f(r_b, a), f(r_b, r_a)]]``."""
        texts, images = (
            torch.stack([side.embedding, side.reference]) for side in (self._rows, self._columns)
        )
        with torch.no_grad():
            cosines(self._score.head, images, texts)  # raises where they are no numbers
            corners = self._score(images[None], texts[:, None]).double() * self._scale
        found: list[list[float]] = corners.tolist()
        return found

    def _sums_of_parts(self) -> list[float]:
        """Return ``Σ A`` of match and of routing; each is computed once for all parts."""
        if not self._sums:
            # At once, as parts share it and may be measured on two threads.
            self._sums[:] = [self.part(name)._sum_of_pairs() for name in get_args(PartName)]
        return self._sums

    def _sum_of_pairs(self) -> float:
        """Return ``Σ A`` from the derivative of each tower along its whole path."""
        text, image = (
            side.path.derivative(side.rule.nodes) for side in (self._rows, self._columns)
        )
        towards = self._from_rows(text[None])[0]
        total = self._columns.nodes.weights @ (towards * image.to(towards)).sum(-1)
        return float(total) * self._scale

    def _from_rows(self, tangents: Tensor) -> Tensor:
        """Return ``G(α) = Σ_β w_β ∂_u(∂_h f [tangent(β)])`` of each tangent.

        Parameters
        ----------
        tangents
            Of the rows' tower at its nodes, ``(m, N_β, K_text)``.

        Returns
        -------
        torch.Tensor
            ``(m, N_α, K_image)``.
        """
        texts, images = self._rows.nodes, self._columns.nodes
        text, image, weights = texts.values(), images.values(), texts.weights

        def of(some: Tensor) -> Tensor:
            image, meets, routes = _leaves(some, text, text)
            with self._differentiable():
                scores = self._score(image[:, None], meets[None], routes[None])
                sums = (scores * weights).sum()
                by_text = self._by_text(_gradients(sums, meets, routes, again=True))
                return _pull(by_text, tangents, lambda change: _gradients(change, image)[0])

        return torch.cat([of(some) for some in self._portions(image, len(text), text)], 1)

    def _from_columns(self, tangents: Tensor) -> Tensor:
        """Return ``Σ_α w_α ∂_h(∂_u f [tangent(α)])`` of each tangent, as ``_from_rows``.

        ``(m, N_α, K_image)`` to ``(m, N_β, K_text)``.
        """
        texts, images = self._rows.nodes, self._columns.nodes
        text, image, weights = texts.values(), images.values(), images.weights

        def of(some: Tensor) -> Tensor:
            image_leaf, meets, routes = _leaves(image, some, some)
            with self._differentiable():
                scores = self._score(image_leaf[:, None], meets[None], routes[None])
                sums = (weights[:, None] * scores).sum()
                (by_image,) = _gradients(sums, image_leaf, again=True)

                def towards(change: Tensor) -> Tensor:
                    return self._by_text(_gradients(change, meets, routes))

                return _pull(by_image, tangents, towards)

        return torch.cat([of(some) for some in self._portions(text, len(image), image)], 1)

    def _few_at_once(self, weights: np.ndarray) -> list[np.ndarray]:
        """Return portions of weights, so many that what a tower gives at all nodes fits."""
        largest = max(side.steps * side.embedding.nbytes for side in (self._rows, self._columns))
        count = max(1, self._limit // (_KEPT_OF_TANGENTS * largest))
        return [weights[start : start + count] for start in range(0, len(weights), count)]

    def _by_text(self, by_both: tuple[Tensor, ...]) -> Tensor:
        """Return the derivative by the text, given those where it is met and where it routes."""
        met, routed = by_both
        return met * self._meets + routed * self._routes

    def _portions(self, nodes: Tensor, others: int, other: Tensor) -> Iterator[Tensor]:
        """Yield the outputs of so many nodes that the head may see with all of the other tower."""
        numbers = _KEPT_BY_HEAD * others * (nodes.shape[-1] + other.shape[-1])
        count = max(1, self._limit // (numbers * nodes.element_size()))
        for portion in nodes.split(count):
            checkpoint()
            yield portion

    @contextmanager
    def _differentiable(self) -> Iterator[None]:
        with self._columns.path.split.differentiable(), torch.enable_grad():
            yield

    def _finite(self, compute: Callable[[], Tensor]) -> np.ndarray:
        return finite_numbers(
            lambda: compute().cpu().numpy() * self._scale, self._guard, self.release
        )


def _leaves(*values: Tensor) -> tuple[Tensor, ...]:
    """Return values apart from what made them and from each other, to differentiate by."""
    return tuple(value.detach().requires_grad_() for value in values)


def _gradients(value: Tensor, *points: Tensor, again: bool = False) -> tuple[Tensor, ...]:
    """Return the gradients of a number at points, zeros where it does not depend on one.

    Parameters
    ----------
    value, points
        The number, and what it was computed from.
    again
        Whether the gradients will be differentiated themselves.
    """
    if not value.requires_grad:
        return tuple(torch.zeros_like(point) for point in points)
    return torch.autograd.grad(
        value, points, create_graph=again, retain_graph=True, materialize_grads=True
    )


def _pull(derivative: Tensor, tangents: Tensor, towards: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the gradient of what a derivative gives along each tangent, stacked."""
    return torch.stack([towards((derivative * tangent).sum()).detach() for tangent in tangents])
