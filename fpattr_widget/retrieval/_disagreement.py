"""``Disagreement``: two wordings of one query that rank pictures differently."""

from dataclasses import dataclass
from typing import Unpack

from ..view import ViewOptions
from ._agreement_view import DisagreementView
from ._two_rankings import TwoRankings


@dataclass(frozen=True, eq=False, repr=False)
class Disagreement(TwoRankings):
    """Two wordings of one query, and how their rankings differ.

    A notebook cell that ends with it shows a linked comparison; all that is in it is here too.
    Made by :class:`~fpattr_widget.RankingAgreement`.
    """

    def widget(self, **options: Unpack[ViewOptions]) -> DisagreementView:
        """Return both rankings as shelves of pictures, and the linked view of the chosen one.

        Options as for :class:`~fpattr_widget.PairsWidget`.
        """
        return DisagreementView(self, **options)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget())
