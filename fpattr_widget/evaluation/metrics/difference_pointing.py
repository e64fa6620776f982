"""Do the words for what differs lie on what differs, in the right picture?"""

from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample, tokens_in
from .._score import Score, phrase_scores
from ._metric import MetricTraits
from .pointing_energy import energy
from .pointing_game import hit


@dataclass(frozen=True)
class DifferencePointing(MetricTraits):
    """The pointing game over both pictures of a difference.

    Pairs of a difference are positive where they speak for the first picture and against the
    second. So both ``"a dog"``, which the first picture shows, and ``"instead of a cat"``, which
    the second does, should be positive where their thing is.

    - ``difference_pointing``: one when the strongest patch of a phrase, of those of both
      pictures, lies in one of its boxes in its own picture; a share of ties, as in
      :class:`PointingGame`.
    - ``difference_energy``: the share of a phrase's positive mass that lies there.
    - ``first_content_energy``, ``second_content_energy``: the share of the positive mass of what
      the sentence says of the first picture that lies in the first picture, and likewise of the
      second; for samples with ``contents``. Chance is the picture's share of the patches.

    Chance of the others is the boxes' share of the patches of both pictures. Special positions
    are left out.
    """

    shares = frozenset(
        {
            "difference_pointing",
            "difference_energy",
            "first_content_energy",
            "second_content_energy",
        }
    )

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        explained.prepared.require_two()
        pairs, targets, sample = explained.pairs, explained.targets, explained.prepared.sample
        patches = list(pairs.columns.visible)
        pictures = np.array([feature.part for feature in pairs.columns.features])[patches]
        values, chances, energies = [], [], []
        for target in targets:
            heat = pairs.of_rows(target.tokens)[patches]
            inside = np.zeros(len(patches), bool)
            inside[pictures == target.phrase.picture] = target.inside.ravel()
            values.append(hit(heat, inside))
            energies.append(energy(heat, inside))
            chances.append(float(inside.mean()))
        scores = [
            *phrase_scores("difference_pointing", targets, values, chances),
            *phrase_scores("difference_energy", targets, energies, chances),
        ]
        for picture, (name, place) in enumerate(
            zip(("first_content_energy", "second_content_energy"), sample.contents, strict=False)
        ):
            tokens = tokens_in(explained.prepared.text, place)
            if tokens:
                own = pictures == picture
                share = energy(pairs.of_rows(tokens)[patches], own)
                scores.append(Score(name, share, chance=float(own.mean())))
        return tuple(scores)
