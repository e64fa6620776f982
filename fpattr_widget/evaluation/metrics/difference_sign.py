"""Does a sentence that says what differs tell the two pictures apart?"""

from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample
from .._score import Score
from ._metric import MetricTraits


@dataclass(frozen=True)
class DifferenceSign(MetricTraits):
    """Difference classification: the share of sentences that fit the first picture less the second.

    A sample scores one when ``cos(ĥ(Δ), ĝ(x₁) − ĝ(x₂)) > 0``, which is so where the sentence
    ``Δ`` is more similar to the first picture than to the second; one half where it is to
    neither. Chance is one half. Sam et al. (PC-CLIP), arXiv 2409.09721.
    """

    shares = frozenset({"difference_sign"})

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        prepared = explained.prepared
        (score,) = prepared.contrast([prepared.sample.caption])
        return (Score("difference_sign", float((np.sign(score) + 1) / 2), chance=0.5),)
