"""How much of what a word finds lies on its object?"""

from dataclasses import dataclass

import numpy as np

from .._explained import Explained
from ._metric import Measured, OfPhrases


@dataclass(frozen=True)
class PointingEnergy(OfPhrases):
    """Pointing game energy: the share of a phrase's positive mass inside its boxes.

    A phrase without any positive value scores zero: it found nothing. Chance
    is the boxes' share of the patches. After Wang et al., *Score-CAM* (CVPR
    Workshops 2020), section 4.3, as used by Möller et al., arXiv 2408.14153,
    section 4.
    """

    shares = frozenset({"pointing_energy"})

    def measure(self, explained: Explained) -> tuple[Measured, ...]:
        scores, chances = [], []
        for heat, target in zip(explained.maps, explained.targets, strict=True):
            scores.append(energy(heat, target.inside))
            chances.append(float(target.inside.mean()))
        return (Measured("pointing_energy", tuple(scores), tuple(chances)),)


def energy(heat: np.ndarray, inside: np.ndarray) -> float:
    """Return the share of the positive mass that lies inside, both ``(rows, columns)``."""
    positive = np.maximum(heat, 0).astype(np.float64)
    whole = positive.sum()
    return float(positive[inside].sum() / whole) if whole > 0 else 0.0
