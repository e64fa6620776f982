"""Does a word point to its own picture among four?"""

from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample
from .._geometry import patches_across
from .._score import Score, phrase_scores
from ._metric import MetricTraits


@dataclass(frozen=True)
class GridPointingGame(MetricTraits):
    """The grid pointing game, word by word and as FIxLIP pools it.

    A picture is made of two by two pictures, and the caption names what some
    of them show. A word's mass is where it belongs when it is positive in the
    word's own quadrant or negative in another one.

    - ``grid_pointing_game``: the share of a word's mass that is where it
      belongs, one number for each word.
    - ``grid_pointing_game_pooled``: the share of the mass of all words of a
      picture together, one number for each picture, as FIxLIP has it. Words of
      little mass have little weight.

    Both are zero where there is no mass. A map of random signs reaches one
    half, which is given as chance; but a map that is negative everywhere
    reaches three quarters, and one that is positive everywhere one quarter.
    Patches that lie in two quadrants, as those in the middle of an odd grid do,
    are left out, as in FIxLIP. There captions are bare names of classes, of one
    token each, in the order of the quadrants; here what stands between the
    names is not counted. Baniecki et al., arXiv 2508.05430, section 5; without
    colours, pointing by Böhle et al., *Convolutional Dynamic Alignment
    Networks* (CVPR 2021).

    The quadrants are the phrases' boxes, so that it can be played on any data
    set; :func:`fpattr_widget.datasets.grids` makes those that it is meant for.
    """

    shares = frozenset({"grid_pointing_game", "grid_pointing_game_pooled"})

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        masses = [
            masses_right_and_wrong(
                np.where(patches_across(target.boxes, heat.shape), 0, heat), target.inside
            )
            for heat, target in zip(explained.maps, explained.targets, strict=True)
        ]
        words = phrase_scores(
            "grid_pointing_game",
            explained.targets,
            [_share(right, wrong) for right, wrong in masses],
            [0.5] * len(masses),
        )
        if not masses:
            return words
        pooled = _share(*np.sum(masses, axis=0))
        return (*words, Score("grid_pointing_game_pooled", pooled, chance=0.5))


def masses_right_and_wrong(heat: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Return the mass that is positive inside or negative outside, and the other mass."""
    mass = np.abs(heat, dtype=np.float64)
    right = mass[(heat > 0) == inside].sum()
    return float(right), float(mass.sum() - right)


def _share(right: float, wrong: float) -> float:
    return float(right / (right + wrong)) if right + wrong > 0 else 0.0
