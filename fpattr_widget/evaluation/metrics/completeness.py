"""How much of the similarity do the attributions leave unexplained?"""

from dataclasses import dataclass

from .._explained import Explained
from ._metric import Measured, OfSamples


@dataclass(frozen=True)
class Completeness(OfSamples):
    """Completeness residual: the absolute residual of the ledger, in units of cosine.

    Zero for exact integrated Jacobians (Möller et al., arXiv 2408.14153,
    equation 8); of other methods what pairs do not explain.
    """

    less_is_better = frozenset({"completeness_residual"})

    def measure(self, explained: Explained) -> tuple[Measured, ...]:
        residual = abs(explained.pairs.ledger.residual)
        return (Measured("completeness_residual", (residual,)),)
