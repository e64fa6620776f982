"""Do two ways of explaining say the same?"""

from dataclasses import dataclass

import numpy as np

from .._explained import Explained
from ._metric import Measured, OfSamples
from .faithfulness import correlation


@dataclass(frozen=True)
class Agreement(OfSamples):
    """Rank correlation (Spearman's) of a sample's pairs with those of other runs.

    Over words and patches, special positions left out; equal values share
    their mean rank. Runs on other grids of patches are not compared. The
    number for each other run is named after it.
    """

    def measure(self, explained: Explained) -> tuple[Measured, ...]:
        own = explained.pairs
        words = explained.content
        found = []
        for other in explained.beside:
            if other.pairs.grid == own.grid:
                value = rank_correlation(own.matrix[words], other.pairs.matrix[words])
                found.append(Measured(f"agreement with {other.run}", (value,), (0.0,)))
        return tuple(found)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays of one shape."""
    return correlation(_ranks(first.ravel()), _ranks(second.ravel()))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from zero; equal values share their mean rank."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[group]
