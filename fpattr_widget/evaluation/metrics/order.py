"""Does a sentence with its two contents exchanged say the opposite?"""

from dataclasses import dataclass

import numpy as np

from .._dataset import Sample
from .._explained import ExplainedSample
from .._score import Score
from ._metric import MetricTraits


@dataclass(frozen=True)
class Order(MetricTraits):
    """Order test: the share of sentences whose sign turns when their two contents are exchanged.

    With ``"a dog instead of a cat"`` for the first picture and ``"a cat instead of a dog"`` for
    the second, one when one of the two is more similar to the first picture and the other to the
    second. (Exchanging the pictures turns every sign, whatever the model is.) A model that reads
    a bag of words scores zero, and one that guesses one half, which is given as chance. Only
    samples with ``contents`` are judged.
    """

    shares = frozenset({"order"})

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        prepared = explained.prepared
        told = exchanged(prepared.sample)
        if told is None:
            return ()
        score, turned = prepared.contrast([prepared.sample.caption, told])
        return (Score("order", float(np.sign(score) * np.sign(turned) < 0), chance=0.5),)


def exchanged(sample: Sample) -> str | None:
    """Return a caption with its two contents exchanged, ``None`` where they are not known."""
    if not sample.contents:
        return None
    text = sample.caption
    (start, stop), (other_start, other_stop) = sample.contents
    first, second = text[start:stop], text[other_start:other_stop]
    return text[:start] + second + text[stop:other_start] + first + text[other_stop:]
