"""The life of a view: when it has been replaced for good, and can release what it holds."""

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """Where a view is in its life."""

    WAITING = "waiting"  # no page has counted a view of it yet
    SHOWN = "shown"  # a page has counted one, and the cell that made it has not run again
    REPLACED = "replaced"  # the cell has made another; it stays for as long as it is seen
    PARKED = "parked"  # released; displaying it opens it again
    CLOSED = "closed"  # by the user, or not opened yet


@dataclass
class Lifetime:
    """Stage of a view, and what happens to it.

    ======================  ==========  ==========  ========  ======  ======
    what happens            waiting     shown       replaced  parked  closed
    ======================  ==========  ==========  ========  ======  ======
    ``open``                –           –           –         waiting waiting
    ``count_views`` > 0     shown [1]_  –           –         –       –
    ``count_views`` 0       –           –           –         –       –
    ``cell_runs_again``     [2]_        replaced    –         –       –
    ``park``                –           –           parked    –       –
    ``close``               closed      closed      closed    –       –
    ======================  ==========  ==========  ========  ======  ======

    .. [1] Or replaced, if the cell has run again already.
    .. [2] The first time nothing: the first view may still be on its way, for
       older kernels are informed of it between cells. The second time
       replaced, unless Python displayed the view and a page answered: pages
       that do not count views may still show it.

    Attributes
    ----------
    stage
        The present one.
    cell
        The cell that made the view, ``None`` if there is none.
    views
        How many views pages count now.
    """

    stage: Stage = Stage.CLOSED
    cell: str | None = None
    views: int = 0
    _runs: int = 0  # of the cell since it made the view
    _displayed: bool = False
    _page_answered: bool = False

    @property
    def displayed(self) -> bool:
        """Whether Python displayed the view since it was opened."""
        return self._displayed

    @property
    def can_park(self) -> bool:
        """Whether the view has been replaced for good and is not seen."""
        return self.stage is Stage.REPLACED and not self.views

    def open(self) -> None:
        """Begin anew."""
        if self.stage in (Stage.PARKED, Stage.CLOSED):
            self.stage, self.cell, self.views, self._runs = Stage.WAITING, None, 0, 0
            self._displayed = self._page_answered = False

    def display(self) -> None:
        """Note that Python displays the view."""
        self._displayed = True

    def greet(self) -> None:
        """Note that a page that shows the view has answered."""
        self._page_answered = True

    def count_views(self, views: int) -> None:
        """Note how many views pages count now."""
        self.views = views
        if views and self.stage is Stage.WAITING:
            self.stage = Stage.REPLACED if self._runs else Stage.SHOWN

    def cell_runs_again(self) -> None:
        """Note that the cell that made the view starts again."""
        self._runs += 1
        uncounted = self._displayed and self._page_answered
        late = self.stage is Stage.WAITING and self._runs >= 2 and not uncounted
        if late or self.stage is Stage.SHOWN:
            self.stage = Stage.REPLACED

    def park(self) -> None:
        """Note that a replaced view was released."""
        if self.stage is Stage.REPLACED:
            self.stage = Stage.PARKED

    def close(self) -> None:
        """Note that the view was closed; a parked one can still be displayed again."""
        if self.stage is not Stage.PARKED:
            self.stage = Stage.CLOSED
