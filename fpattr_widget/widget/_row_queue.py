"""What a view has requested of its pairs, the most urgent first."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, takewhile

import numpy as np

#: Bound of a job, in rows, that are cached already or are computed quickly.
MOST_ROWS = 256


@dataclass(frozen=True)
class SendInterrupted:
    """Report that the user stopped the kernel."""


@dataclass(frozen=True)
class SendRows:
    """Compute rows and send them; those that are urgent at once."""

    rows: list[int]
    urgent: bool


@dataclass(frozen=True)
class SendRegion:
    """Compute each row's attribution to a region, and send it."""

    identifier: int
    features: list[int]


@dataclass(frozen=True)
class SendLedger:
    """Measure both inputs, and send the ledger."""


@dataclass(frozen=True)
class Finish:
    """Send what is left, and that there is no more."""


RowJob = SendInterrupted | SendRows | SendRegion | SendLedger | Finish


class RowQueue:
    """Requests of one view: urgent rows first, then a region, the ledger, and all other rows.

    Attributes
    ----------
    quiet
        Whether to suppress "done": on it, the page requests rows that are
        missing, which after an interrupt the user does not want.
    """

    def __init__(self) -> None:
        self.quiet = False
        self._interrupted = False
        self._urgent: list[int] = []
        self._region: SendRegion | None = None
        self._ledger = False
        self._rows: OrderedDict[int, None] = OrderedDict()
        self._unfinished = False

    def add_all(self, rows: Iterable[int]) -> None:
        """Request the ledger and these rows, in their order."""
        self.quiet = False
        self._ledger = True
        self._rows.update(dict.fromkeys(rows))
        self._unfinished = True

    def add_urgent(self, rows: list[int]) -> None:
        """Request rows before everything else, instead of those that were urgent until now."""
        self._urgent = rows
        self._unfinished = True

    def add_region(self, identifier: int, features: list[int]) -> None:
        """Request a region instead of the one that was requested before."""
        self._region = SendRegion(identifier, features)
        self._unfinished = True

    def interrupt(self) -> None:
        """Drop all requests, and request a report that the user stopped the kernel."""
        self.clear()
        self._interrupted = self.quiet = True

    def clear(self) -> None:
        """Drop all requests."""
        self._urgent = []
        self._region = None
        self._ledger = self._unfinished = False
        self._rows.clear()

    def take(self, ready: np.ndarray, step: int) -> RowJob | None:
        """Take the most urgent job, ``None`` if there is none.

        Parameters
        ----------
        ready
            Which rows are cached, ``(rows,)`` bool.
        step
            Bound of the rows that are computed at once while none is urgent.
        """
        job: RowJob | None = None
        if self._interrupted:
            self._interrupted, job = False, SendInterrupted()
        elif self._urgent:
            row = self._urgent.pop(0)
            self._rows.pop(row, None)
            job = SendRows([row], urgent=True)
        elif self._region:
            job, self._region = self._region, None
        elif self._ledger:
            self._ledger, job = False, SendLedger()
        elif self._rows:
            job = SendRows(self._next_rows(ready, step), urgent=False)
        elif self._unfinished:
            self._unfinished, job = False, Finish()
        return job

    def _next_rows(self, ready: np.ndarray, step: int) -> list[int]:
        """Take rows that are all cached, or as many that are not as one step computes."""
        cached = ready[next(iter(self._rows))]
        alike = takewhile(lambda row: ready[row] == cached, self._rows)
        rows = list(islice(alike, MOST_ROWS if cached else min(step, MOST_ROWS)))
        for row in rows:
            del self._rows[row]
        return rows
