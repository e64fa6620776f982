"""How much of a word's positive mass lies on its object?"""

from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample
from .._score import Score, phrase_scores
from ._metric import MetricTraits


@dataclass(frozen=True)
class PointingEnergy(MetricTraits):
    """Pointing game energy: the share of a phrase's positive mass inside its boxes.

    A phrase without any positive value scores zero. Chance is the boxes' share
    of the patches. After Wang et al., *Score-CAM* (CVPR Workshops 2020),
    section 4.3, as used by Möller et al., arXiv 2408.14153, section 4.
    """

    shares = frozenset({"pointing_energy"})

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        values, chances = [], []
        for heat, target in zip(explained.maps, explained.targets, strict=True):
            values.append(energy(heat, target.inside))
            chances.append(float(target.inside.mean()))
        return phrase_scores("pointing_energy", explained.targets, values, chances)


def energy(heat: np.ndarray, inside: np.ndarray) -> float:
    """Return the share of the positive mass that lies inside, both ``(rows, columns)``."""
    positive = np.maximum(heat, 0).astype(np.float64)
    whole = positive.sum()
    return float(positive[inside].sum() / whole) if whole > 0 else 0.0
