"""How well does a word's map cover its boxes, and nothing else?"""

from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample
from .._score import Score, phrase_scores
from ._metric import MetricTraits


@dataclass(frozen=True)
class SoftOverlap(MetricTraits):
    """Soft intersection over union, and soft Dice, of a phrase's map and its boxes.

    With ``a`` the positive part of the map, divided by its largest value, and ``m`` one in the
    boxes and else zero, ``soft_iou = Σ a m / (Σ a + Σ m − Σ a m)`` and
    ``soft_dice = 2 Σ a m / (Σ a + Σ m)``, as Rajabi and Košecká use them for GradCAM
    (*Q-GroundCAM*, arXiv 2404.19128). They reward maps that fill the boxes, which the pointing
    games do not ask. A phrase without any positive value scores zero. Chance is what an even
    map reaches, which has one everywhere.
    """

    shares = frozenset({"soft_iou", "soft_dice"})

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        targets = explained.targets
        found = [
            overlap(heat, target.inside)
            for heat, target in zip(explained.maps, targets, strict=True)
        ]
        even = [overlap(np.ones(target.inside.shape), target.inside) for target in targets]
        return tuple(
            score
            for place, name in enumerate(("soft_iou", "soft_dice"))
            for score in phrase_scores(
                name, targets, [both[place] for both in found], [both[place] for both in even]
            )
        )


def overlap(heat: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Return the soft intersection over union and the soft Dice, both ``(rows, columns)``."""
    positive = np.maximum(heat, 0).astype(np.float64)
    if not positive.any():
        return 0.0, 0.0
    scaled = positive / positive.max()
    common, both = float(scaled[inside].sum()), float(scaled.sum() + inside.sum())
    return common / (both - common), 2 * common / both
