"""Do two setups explain a sample alike?"""

from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample
from .._score import Score
from ._metric import MetricTraits
from .faithfulness import correlation


@dataclass(frozen=True)
class Agreement(MetricTraits):
    """Spearman's rank correlation of a sample's pairs with those of the other setups.

    Over words and patches, special positions left out; equal values share
    their mean rank. Setups with other grids of patches are not compared. There
    is a number for each other setup of the same model, named after it.
    """

    compares = True

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        pairs, words = explained.pairs, explained.content
        scores = []
        for other in explained.beside:
            if other.pairs.grid == pairs.grid:
                value = rank_correlation(pairs.matrix[words], other.pairs.matrix[words])
                scores.append(Score(f"agreement with {other.name}", value, chance=0.0))
        return tuple(scores)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays of one shape."""
    return correlation(_ranks(first.ravel()), _ranks(second.ravel()))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from zero; equal values share their mean rank."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[group]
