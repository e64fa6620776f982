"""Contributions of a weighted sum of inputs: those of its inputs, side by side."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ._contributions import Contributions, ExplicitContributions

# Inputs of a sum from which on contributions are kept as vectors, not with their graphs.
_MANY = 8


class SummedContributions:
    """Contributions to ``Σ w_k g(a_k)``; see ``Contributions``.

    Parameters
    ----------
    parts
        Contributions of each input's features. An object that is there twice was measured once.
    factors
        ``w_k``, such as an input's weight over the norm of its embedding.
    """

    def __init__(self, parts: Sequence[Contributions], factors: Sequence[float]):
        self.parts, self.factors = tuple(parts), tuple(factors)
        ends = np.cumsum([0, *(part.features for part in self.parts)])
        self._places = [slice(int(start), int(stop)) for start, stop in pairwise(ends)]
        self.features = int(ends[-1])
        self.sampled = any(part.sampled for part in self.parts)

    @cached_property
    def embedding(self) -> Tensor:
        return self._sum([part.embedding for part in self.parts])

    @cached_property
    def reference(self) -> Tensor:
        return self._sum([part.reference for part in self.parts])

    @property
    def total(self) -> Tensor:
        return self._sum([part.total for part in self.parts])

    def joint(self, weights: np.ndarray) -> Tensor:
        sums = self.parts[0].embedding.new_zeros(len(weights), len(self.parts[0].embedding))
        for part, factor, place in self._occurrences():
            of_part = weights[:, place]
            used = np.flatnonzero((of_part != 0).any(1))
            if len(used):
                index = torch.from_numpy(used).to(sums.device)
                sums.index_add_(0, index, factor * part.joint(of_part[used]).to(sums))
        return sums

    def along(self, directions: Tensor) -> np.ndarray:
        values: dict[int, np.ndarray] = {}
        for part in self.parts:
            if id(part) not in values:
                values[id(part)] = part.along(directions)
        return np.concatenate(
            [
                factor * values[id(part)]
                for part, factor in zip(self.parts, self.factors, strict=True)
            ],
            axis=1,
        )

    def standard_error(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
        # Estimates of different inputs are independent; those of one input are the same.
        joint: dict[int, np.ndarray] = {}
        parts = {id(part): part for part in self.parts}
        for part, factor, place in self._occurrences():
            joint[id(part)] = joint.get(id(part), 0) + factor * weights[:, place]
        squares = [
            parts[key].standard_error(of_part, directions) ** 2 for key, of_part in joint.items()
        ]
        root: np.ndarray = np.sqrt(np.sum(squares, axis=0))
        return root

    def describe(self) -> str:
        described = list(dict.fromkeys(part.describe() for part in self.parts))
        if len(described) > 3:
            described = [*described[:2], "…", described[-1]]
        return ", ".join(described)

    def release(self) -> None:
        for part in self.parts:
            part.release()

    def _occurrences(self) -> list[tuple[Contributions, float, slice]]:
        return list(zip(self.parts, self.factors, self._places, strict=True))

    def _sum(self, vectors: Sequence[Tensor]) -> Tensor:
        # In double precision: of a difference of two embeddings the first digits cancel.
        total = sum(
            factor * vector.double() for factor, vector in zip(self.factors, vectors, strict=True)
        )
        assert isinstance(total, Tensor)
        return total


def lightened(contributions: Contributions, inputs: int) -> Contributions:
    """Return contributions that take little memory, where there are many inputs.

    Parameters
    ----------
    contributions
        Those of one input, with few features.
    inputs
        Number of inputs on its side.
    """
    if inputs < _MANY or contributions.sampled:
        return contributions
    vectors = contributions.joint(np.eye(contributions.features, dtype=np.float32))
    light = ExplicitContributions(
        vectors, contributions.embedding, contributions.reference, contributions.describe()
    )
    contributions.release()
    return light
