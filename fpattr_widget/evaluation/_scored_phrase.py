"""``ScoredPhrase``: one phrase of one sample with its score, which opens as a linked view."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from ..pairs import FeaturePairs
from ._dataset import Sample
from ._explained import ExplainedSample, PreparedSample
from ._outlines import outlined
from ._setup import Setup

if TYPE_CHECKING:
    from ..view import ViewOptions
    from ..widget import PairsWidget


@dataclass(frozen=True)
class ScoredPhrase:
    """One phrase of one sample with its score.

    Attributes
    ----------
    sample
        The sample.
    number
        Index of the phrase in the sample.
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
    def words(self) -> str:
        """The phrase's words."""
        phrase = self.sample.phrases[self.number]
        return self.sample.caption[phrase.start : phrase.stop]

    @property
    def label(self) -> str:
        """The phrase's class."""
        return self.sample.phrases[self.number].label

    @property
    def title(self) -> str:
        """The words in their caption, for a list."""
        return f"“{self.words}” in “{self.sample.caption}”"

    def pairs(self) -> FeaturePairs:
        """Explain the sample anew; nothing is computed yet."""
        return self._explained().pairs

    def widget(self, **options: "Unpack[ViewOptions]") -> "PairsWidget":
        """Return the linked view with the phrase's words pinned and its boxes outlined.

        Options as for ``PairsWidget``. The outlines are drawn on the view's picture, of two on
        that which the phrase is about.
        """
        explained = self._explained()
        target = next(t for t in explained.targets if t.number == self.number)
        part = target.phrase.picture
        picture = outlined(explained.crops[part].picture, target.boxes)
        view = explained.pairs.over(picture, part).widget(**options)
        view.selected_rows = list(target.tokens)
        return view

    def _explained(self) -> ExplainedSample:
        return self.setup.explain(PreparedSample(self.setup.encoder, self.sample))
