"""Does the strongest patch of a word lie on its object?"""

from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample
from .._score import Score, phrase_scores
from ._metric import MetricTraits


@dataclass(frozen=True)
class PointingGame(MetricTraits):
    """Pointing game accuracy.

    A phrase scores one when the strongest patch of its joint map lies in one of
    its boxes. Where several patches are equally strong, it scores the share of
    them that do. Chance is the boxes' share of the patches. After Zhang et al.,
    *Top-down Neural Attention by Excitation Backprop* (IJCV 2018), as used by
    Möller et al., arXiv 2408.14153, section 4.
    """

    shares = frozenset({"pointing_game"})

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        values, chances = [], []
        for heat, target in zip(explained.maps, explained.targets, strict=True):
            values.append(hit(heat, target.inside))
            chances.append(float(target.inside.mean()))
        return phrase_scores("pointing_game", explained.targets, values, chances)


def hit(heat: np.ndarray, inside: np.ndarray) -> float:
    """Return the share of the strongest patches that lie inside, both ``(rows, columns)``."""
    return float(inside[heat == heat.max()].mean())
