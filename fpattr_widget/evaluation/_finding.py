"""One phrase of one sample, with its score."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from ..pairs import FeaturePairs
from ._dataset import Sample
from ._drawing import outlined
from ._explained import Explained, Read
from ._plan import Way

if TYPE_CHECKING:
    from ..view import ViewOptions
    from ..widget import PairsWidget


@dataclass(frozen=True)
class Finding:
    """One phrase of one sample, with its score.

    Attributes
    ----------
    sample
        The sample.
    words
        The phrase's words.
    label
        Its class.
    metric, value
        How it was judged.
    """

    sample: Sample
    words: str
    label: str
    metric: str
    value: float
    _way: Way
    _number: int

    def pairs(self) -> FeaturePairs:
        """Explain the sample anew; nothing is computed yet."""
        return self._explained().pairs

    def widget(self, **options: "Unpack[ViewOptions]") -> "PairsWidget":
        """Return the linked view with the phrase's words pinned and its boxes outlined.

        Options as for ``PairsWidget``. The outlines are drawn on the view's picture.
        """
        explained = self._explained()
        target = next(one for one in explained.targets if one.number == self._number)
        pairs = explained.pairs
        view = pairs.over(outlined(pairs.picture, target.boxes)).widget(**options)
        view.selected_tokens = list(target.tokens)
        return view

    def _explained(self) -> Explained:
        return self._way.explain(Read(self._way.encoder, self.sample))
