"""Nodes and weights on the unit interval."""

import numpy as np

RULES = ("gauss-legendre", "right")


def quadrature(rule: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(nodes, weights)``, both ``(steps,)`` float64, for an integral over [0, 1].

    ``"right"`` is the right Riemann sum at 1, 1 − 1/N, …, 1/N, as in
    arXiv 2408.14153, equation 9; ``"gauss-legendre"`` is exact for polynomials
    of degree 2N − 1.
    """
    if rule == "right":
        return 1 - np.arange(steps) / steps, np.full(steps, 1 / steps)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (nodes + 1) / 2, weights / 2
