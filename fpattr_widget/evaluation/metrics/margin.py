"""How far is a caption above its foils?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample
from .._score import Score
from ._metric import MetricTraits


@dataclass(frozen=True)
class Margin(MetricTraits):
    """The cosine of a picture and its caption, less that with a foil; no attribution is computed.

    For each foil, ``margin``: ``s(image, caption) − s(image, foil)``, of a foil that is a
    picture ``s(image, caption) − s(foil, caption)``; zero is chance. And ``margin_accuracy``: one
    where it is above zero, as SugarCrepe and ARO count; chance is one half.

    Of a sample with several foils, ``above_all_foils``: one where every margin is above zero;
    chance is one in as many as there are captions.

    Of a foil with a caption and a picture that belong together, Winoground's three scores
    (Thrush et al., CVPR 2022, equations 1 to 3), for which ``margin`` is that of the captions
    on the sample's own picture: ``text_score``, one if each picture is closer to its own
    caption; ``image_score``, one if each caption is closer to its own picture, chance one
    quarter of either; ``group_score``, one if both are, chance one sixth.
    """

    shares = frozenset(
        {"margin_accuracy", "above_all_foils", "text_score", "image_score", "group_score"}
    )

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        return tuple(_scores(explained))


def _scores(explained: ExplainedSample) -> Iterator[Score]:
    prepared = explained.prepared
    foils, similarities = prepared.sample.foils, prepared.encoder.similarities
    if not foils:
        return
    read = [prepared.foil(number) for number in range(len(foils))]
    # With the sample's own picture: its caption, and those of all foils.
    own, *others = similarities(prepared.image, [prepared.text, *(text for text, _ in read)])
    margins = []
    for number, (foil, other, (text, image)) in enumerate(zip(foils, others, read, strict=True)):
        elsewhere = np.zeros(0) if image is None else similarities(image, [prepared.text, text])
        margin = float(own - (elsewhere[0] if foil.caption is None else other))
        margins.append(margin)
        yield Score("margin", margin, 0.0, foil=number)
        yield Score("margin_accuracy", float(margin > 0), 0.5, foil=number)
        if foil.caption is not None and image is not None:
            crossed, belonging = elsewhere
            right_text = own > other and belonging > crossed
            right_image = own > crossed and belonging > other
            yield Score("text_score", float(right_text), 1 / 4, foil=number)
            yield Score("image_score", float(right_image), 1 / 4, foil=number)
            yield Score("group_score", float(right_text and right_image), 1 / 6, foil=number)
    if len(margins) > 1:
        yield Score("above_all_foils", float(min(margins) > 0), 1 / (1 + len(margins)))
