"""How much of the similarity do the attributions leave unexplained?"""

from dataclasses import dataclass

from .._explained import ExplainedSample
from .._score import Score
from ._metric import MetricTraits


@dataclass(frozen=True)
class Completeness(MetricTraits):
    """Completeness residual: the absolute residual of the ledger, in units of cosine.

    Zero for exact integrated Jacobians (Möller et al., arXiv 2408.14153,
    equation 8); for other methods, what pairs do not explain.
    """

    less_is_better = frozenset({"completeness_residual"})

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        residual = abs(explained.pairs.ledger.residual)
        return (Score("completeness_residual", residual),)
