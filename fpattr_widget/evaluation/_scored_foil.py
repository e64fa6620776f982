"""``ScoredFoil``: one foil of one sample with its score, which opens as a linked contrast."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from ..encoders import Picture, Text, as_sum
from ..pairs import FeaturePairs, attribute
from ._dataset import Sample
from ._explained import PreparedSample, tokens_in
from ._foil import Foil
from ._measurements import label_of
from ._setup import Setup

if TYPE_CHECKING:
    from ..view import ViewOptions
    from ..widget import PairsWidget


@dataclass(frozen=True)
class ScoredFoil:
    """One foil of one sample with its score.

    Attributes
    ----------
    sample
        The sample.
    number
        Index of the foil in the sample.
    metric, value
        The score.
    setup
        What explained it.
    """

    sample: Sample
    number: int
    metric: str
    value: float
    setup: Setup

    @property
    def foil(self) -> Foil:
        """The foil."""
        return self.sample.foils[self.number]

    @property
    def label(self) -> str:
        """The foil's kind."""
        return label_of(self.sample, None, self.number)

    @property
    def title(self) -> str:
        """The caption beside its foil, for a list."""
        other = "on another picture" if self.foil.caption is None else f"not “{self.foil.caption}”"
        return f"“{self.sample.caption}”, {other}"

    def pairs(self) -> FeaturePairs:
        """Explain why the caption, or its picture, rather than the foil; nothing is computed yet.

        The caption less the foil's, on the sample's picture; of a foil that is a picture, the
        sample's picture less that one, for the caption.
        """
        prepared = PreparedSample(self.setup.encoder, self.sample)
        text, image = prepared.foil(self.number)
        captions, pictures = as_sum(prepared.text, Text), as_sum(prepared.image, Picture)
        if self.foil.caption is not None:
            captions = captions - Text(text)
        elif image is not None:
            pictures = pictures - Picture(image)
        layers = self.setup.name.layers
        return attribute(self.setup.encoder, pictures, captions, self.setup.method, layers)

    def widget(self, **options: "Unpack[ViewOptions]") -> "PairsWidget":
        """Return the linked contrast with the words that were changed pinned.

        Options as for ``PairsWidget``.
        """
        prepared = PreparedSample(self.setup.encoder, self.sample)
        text, _ = prepared.foil(self.number)
        first = len(prepared.text.tokens)
        view = self.pairs().widget(**options)
        changes = self.foil.changes(self.sample.caption)
        view.selected_rows = [
            *(token for span, _ in changes for token in tokens_in(prepared.text, span)),
            *(first + token for _, span in changes for token in tokens_in(text, span)),
        ]
        return view
