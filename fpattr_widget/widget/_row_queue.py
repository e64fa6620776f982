"""What a view has requested of its pairs, the most urgent first."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
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
    """Compute rows and send them; those that are urgent at once.

    ``part`` is the part of the pairs that they are of, empty for the pairs themselves.
    """

    rows: list[int]
    urgent: bool
    part: str = ""


@dataclass(frozen=True)
class SendRegion:
    """Compute each row's attribution to a region, and send it; of a part as in ``SendRows``."""

    identifier: int
    features: list[int]
    part: str = ""


@dataclass(frozen=True)
class SendLedger:
    """Measure both inputs, and send the ledger."""


@dataclass(frozen=True)
class Finish:
    """Send what is left, and that there is no more."""


RowJob = SendInterrupted | SendRows | SendRegion | SendLedger | Finish


class RowQueue:
    """Requests of one view: urgent rows first, then a region, the ledger, and all other rows.

    Rows are of the pairs themselves, or of a part of them: the rest of the part that was
    requested last comes before the rest of the pairs.

    Attributes
    ----------
    quiet
        Whether to suppress "done": on it, the page requests rows that are
        missing, which after an interrupt the user does not want.
    """

    def __init__(self) -> None:
        self.quiet = False
        self._interrupted = False
        self._urgent: OrderedDict[str, list[int]] = OrderedDict()
        self._region: SendRegion | None = None
        self._ledger = False
        self._rows: OrderedDict[int, None] = OrderedDict()
        self._part = ""  # the one whose rest was requested, if any
        self._rows_of_part: OrderedDict[int, None] = OrderedDict()
        self._unfinished = False

    def add_all(self, rows: Iterable[int]) -> None:
        """Request the ledger and these rows, in their order."""
        self.quiet = False
        self._ledger = True
        self._rows.update(dict.fromkeys(rows))
        self._unfinished = True

    def add_urgent(self, rows: list[int], part: str = "") -> None:
        """Request rows before everything else, instead of the part's that were urgent until now."""
        self._urgent[part] = rows
        self._urgent.move_to_end(part, last=False)
        self._unfinished = True

    def add_part(self, part: str, rows: Iterable[int]) -> None:
        """Request these rows of a part, instead of the part that was requested before."""
        self._part = part
        self._rows_of_part = OrderedDict.fromkeys(rows)
        self._unfinished = True

    def add_region(self, identifier: int, features: list[int], part: str = "") -> None:
        """Request a region instead of the one that was requested before."""
        self._region = SendRegion(identifier, features, part)
        self._unfinished = True

    def interrupt(self) -> None:
        """Drop all requests, and request a report that the user stopped the kernel."""
        self.clear()
        self._interrupted = self.quiet = True

    def clear(self) -> None:
        """Drop all requests."""
        self._urgent.clear()
        self._region = None
        self._ledger = self._unfinished = False
        self._rows.clear()
        self._rows_of_part.clear()

    def take(self, ready: Callable[[str], np.ndarray], step: int) -> RowJob | None:
        """Take the most urgent job, ``None`` if there is none.

        Parameters
        ----------
        ready
            Returns which rows of a part are cached, ``(rows,)`` bool.
        step
            Bound of the rows that are computed at once while none is urgent.
        """
        job: RowJob | None = None
        if self._interrupted:
            self._interrupted, job = False, SendInterrupted()
        elif urgent := self._next_urgent():
            job = urgent
        elif self._region:
            job, self._region = self._region, None
        elif self._ledger:
            self._ledger, job = False, SendLedger()
        elif self._rows_of_part:
            rows = _next_rows(self._rows_of_part, ready(self._part), step)
            job = SendRows(rows, urgent=False, part=self._part)
        elif self._rows:
            job = SendRows(_next_rows(self._rows, ready(""), step), urgent=False)
        elif self._unfinished:
            self._unfinished, job = False, Finish()
        return job

    def _next_urgent(self) -> SendRows | None:
        while self._urgent:
            part, rows = next(iter(self._urgent.items()))
            if not rows:
                del self._urgent[part]
                continue
            row, *self._urgent[part] = rows
            if part == "":
                self._rows.pop(row, None)
            elif part == self._part:
                self._rows_of_part.pop(row, None)
            return SendRows([row], urgent=True, part=part)
        return None


def _next_rows(waiting: OrderedDict[int, None], ready: np.ndarray, step: int) -> list[int]:
    """Take rows that are all cached, or as many that are not as one step computes."""
    cached = ready[next(iter(waiting))]
    alike = takewhile(lambda row: ready[row] == cached, waiting)
    rows = list(islice(alike, MOST_ROWS if cached else min(step, MOST_ROWS)))
    for row in rows:
        del waiting[row]
    return rows
