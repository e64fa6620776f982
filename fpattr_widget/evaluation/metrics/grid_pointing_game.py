"""Does a word keep to its own picture of four?"""

from dataclasses import dataclass

import numpy as np

from ..explained import Explained
from ..geometry import patches_across
from .metric import Measured, OfPhrases


@dataclass(frozen=True)
class GridPointingGame(OfPhrases):
    """The grid pointing game of FIxLIP.

    A picture is made of two by two pictures, and the caption names what some
    of them show. A word's mass is where it belongs when it is positive in the
    word's own quadrant or negative in another one; the score is its share of
    all mass, zero where there is none. A map of random signs reaches one half.
    Patches that lie in two quadrants, as those in the middle of an odd grid do,
    are left out.
    Baniecki et al., arXiv 2508.05430, section 5; without colours, pointing by
    Böhle et al., *Convolutional Dynamic Alignment Networks* (CVPR 2021).

    The quadrants are the phrases' boxes, so that it can be played on any data
    set; :func:`fpattr_widget.datasets.grids` makes those that it is meant for.
    """

    shares = frozenset({"grid_pointing_game"})

    def measure(self, explained: Explained) -> tuple[Measured, ...]:
        scores = tuple(
            rightly_placed(
                np.where(patches_across(target.boxes, heat.shape), 0, heat), target.inside
            )
            for heat, target in zip(explained.maps, explained.targets, strict=True)
        )
        return (Measured("grid_pointing_game", scores, (0.5,) * len(scores)),)


def rightly_placed(heat: np.ndarray, inside: np.ndarray) -> float:
    """Return the share of mass that is positive inside or negative outside."""
    mass = np.abs(heat, dtype=np.float64)
    whole = mass.sum()
    return float(mass[(heat > 0) == inside].sum() / whole) if whole > 0 else 0.0
