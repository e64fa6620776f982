"""Quadrature rules on the unit interval."""

from dataclasses import dataclass
from typing import Self

import numpy as np

RULES = ("gauss-legendre", "right")


@dataclass(frozen=True, eq=False)
class Quadrature:
    """A rule for integrals over [0, 1].

    Attributes
    ----------
    nodes, weights
        ``(N,)`` float64.
    """

    nodes: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.nodes)

    @classmethod
    def of(cls, rule: str, steps: int) -> Self:
        """Return a rule with a given number of nodes.

        ``"right"`` is the right Riemann sum at 1, 1 − 1/N, …, 1/N, as in
        arXiv 2408.14153, equation 9; ``"gauss-legendre"`` is exact for polynomials
        of degree 2N − 1.
        """
        if rule == "right":
            return cls(1 - np.arange(steps) / steps, np.full(steps, 1 / steps))
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        return cls((nodes + 1) / 2, weights / 2)


#: One node, at the end of the path.
AT_THE_INPUT = Quadrature(np.ones(1), np.ones(1))
