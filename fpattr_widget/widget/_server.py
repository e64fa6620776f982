"""Compute rows beside the kernel and send them to the page in batches."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

from ..pairs import FeaturePairs
from ..progress import LONG, Stopped, about, cheaper_hint, listening
from ..view import (
    DoneMessage,
    FailureMessage,
    FeaturesMessage,
    InterruptedMessage,
    LedgerMessage,
    ProgressMessage,
    Result,
    ledger_state,
    read_out_states,
)
from ._failures import failure_sentence
from ._kernel import interrupts
from ._row_queue import (
    MOST_ROWS,
    Finish,
    RowJob,
    RowQueue,
    SendInterrupted,
    SendLedger,
    SendRegion,
    SendRows,
)
from ._worker import StopOrder, Worker

Send = Callable[[Result, list[bytes]], None]

# Jupyter's server drops messages past a thousand a second, without an error.
_FLUSH_SECONDS = 0.05
_REPORT_SECONDS = 0.15
# A step of the fill should take about this long: longer would keep a hover waiting.
_STEP_SECONDS = 0.05


class RowServer:
    """Computes the rows of some pairs: those requested first, then the rest in reading order.

    ``send`` is called on the thread of a :class:`Worker`; it must not set
    traits. Where no thread can be started, the caller's thread computes.

    Parameters
    ----------
    pairs
        What to compute.
    send
        Takes a message and its buffers.
    epoch
        Marks every message, so that a view can drop stale ones.
    """

    def __init__(self, pairs: FeaturePairs, send: Send, epoch: int):
        self.epoch = epoch
        self._pairs = pairs
        self._send = send
        self._special = [feature.special for feature in pairs.columns.features]
        self._queue = RowQueue()
        self._worker: Worker[RowJob] = Worker(
            self._take,
            self._work,
            name="fpattr-rows",
            stop_order=StopOrder.ROWS,
            rested=self._release_if_asked,
        )
        self._release = False  # the pairs, when the worker has stopped
        self._interrupts = interrupts()  # already handled
        self._failure = ""
        self._step = 1  # rows computed at once while none is urgent
        self._computed: list[int] = []  # not sent yet
        self._computed_part = ""  # the part of the pairs that these rows are of
        self._flushed = 0.0  # when rows were sent last
        self._reported = 0.0  # when progress was sent last
        self._rows_timed, self._seconds = 0, 0.0  # rows that took time to compute

    @property
    def failure(self) -> str:
        """Why computing failed, in a sentence; ``""`` if it did not, or was requested again."""
        return self._failure

    def fill(self) -> None:
        """Send the ledger and every row, computing those that are missing."""
        with self._requesting():
            self._queue.add_all(range(len(self._pairs.ready)))

    def ask_rows(self, rows: list[int], part: str = "") -> None:
        """Send these rows before all others; of a part, all its other rows follow.

        A part that the pairs do not have is ignored.
        """
        count = len(self._pairs.ready)
        existing = [row for row in rows if 0 <= row < count]
        with self._requesting():
            if part == "":
                self._queue.add_urgent(existing)
            elif self._has(part):
                self._queue.add_part(part, range(count))
                if existing:
                    self._queue.add_urgent(existing, part)

    def ask_region(self, identifier: int, features: list[int], part: str = "") -> None:
        """Send each row's attribution to column features; a later request replaces an earlier one.

        Features that are no patches are never requested: the page waits for their rows.
        """
        with self._requesting():
            special = any(self._special[feature] for feature in self._existing(features))
            if not special and self._has(part):
                self._queue.add_region(identifier, features, part)

    def stop(self, *, release: bool = False) -> None:
        """End the thread, within one forward pass of the model.

        Parameters
        ----------
        release
            Whether the pairs then release what only makes them faster.
        """
        with self._worker.lock:
            self._worker.stop()
            self._release = self._release or release
            idle = not self._worker.busy
        if idle:
            self._release_if_asked()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is nothing left to do; return whether that is so."""
        return self._worker.join(timeout)

    @contextmanager
    def _requesting(self) -> Iterator[None]:
        """Record a request; start the worker if idle."""
        with self._worker.requesting():
            self._note_interrupts()
            self._failure = ""
            if not self._worker.busy:
                self._flushed = time.monotonic()  # what comes first is not sent alone
            yield

    # On the worker's thread

    def _take(self) -> RowJob | None:
        self._note_interrupts()
        return self._queue.take(self._ready, self._step)

    def _work(self, job: RowJob) -> None:
        """Do a job; report to the page if it fails or is interrupted."""
        try:
            with listening(self._is_to_stop, self._report), suppress(Stopped):
                self._do(job)
        except Exception as error:
            self._failure = failure_sentence(error)
            with suppress(Exception):
                self._flush()
            self._clear()
            with suppress(Exception):  # the host may be gone
                self._post(FailureMessage(type="failure", epoch=self.epoch, message=self._failure))
        except BaseException:  # interrupted while computing on the caller's thread
            self._clear()
            self._post(InterruptedMessage(type="interrupted", epoch=self.epoch))
            raise

    def _do(self, job: RowJob) -> None:
        match job:
            case SendInterrupted():
                self._flush()
                self._post(InterruptedMessage(type="interrupted", epoch=self.epoch))
            case SendRows(rows, urgent, part):
                self._send_rows(rows, part, urgent=urgent)
            case SendRegion(identifier, features, part):
                self._send_region(identifier, features, part)
            case SendLedger():
                self._send_ledger()
            case Finish():
                self._flush()
                if not self._queue.quiet:
                    self._post(DoneMessage(type="done", epoch=self.epoch))

    def _is_to_stop(self) -> bool:
        return self._worker.stopped or self._interrupts != interrupts()

    def _note_interrupts(self) -> None:
        """Drop what was requested before the user stopped the kernel."""
        if self._interrupts != interrupts():
            self._interrupts = interrupts()
            if self._worker.busy:
                self._queue.interrupt()
            else:
                self._queue.clear()

    def _clear(self) -> None:
        with self._worker.lock:
            self._queue.clear()

    def _release_if_asked(self) -> None:
        if self._release:
            self._pairs.release()

    def _report(self, message: str) -> None:
        """Send what is being done, now and then."""
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            self._post(ProgressMessage(type="progress", epoch=self.epoch, message=message))

    def _send_rows(self, rows: list[int], part: str, *, urgent: bool) -> None:
        """Compute rows; send them if they are urgent, many, or the last were sent a while ago."""
        if part != self._computed_part:
            self._flush()
            self._computed_part = part
        started = time.monotonic()
        pairs = self._pairs.part(part)
        cached = pairs.ready[rows].all()
        pairs.feature_rows(rows)
        self._computed.extend(rows)
        now = time.monotonic()
        if not cached:
            self._rows_timed += len(rows)
            self._seconds += now - started
            self._report_rows(pairs.ready)
        if not urgent and not cached:
            quick = now - started < _STEP_SECONDS / 2
            self._step = 2 * self._step if quick else max(1, self._step // 2)
        due = now - self._flushed > _FLUSH_SECONDS
        if urgent or due or len(self._computed) >= MOST_ROWS:
            self._flush()

    def _report_rows(self, ready: np.ndarray) -> None:
        """Report how long the missing rows will take, if that is long."""
        seconds = int((~ready).sum()) * self._seconds / self._rows_timed
        if seconds >= LONG:
            done = f"{int(ready.sum())} of {len(ready)} rows are there"
            self._report(
                f"{done} · {about(seconds)} left{cheaper_hint(self._pairs.cheaper_alternative)}"
            )

    def _flush(self) -> None:
        """Send the rows that were computed and not sent yet."""
        rows, self._computed = self._computed, []
        if rows:
            part = self._computed_part
            values = np.ascontiguousarray(self._pairs.part(part).feature_rows(rows), dtype="<f4")
            message = FeaturesMessage(
                type="features", epoch=self.epoch, part=part, side=0, id=0, features=rows
            )
            self._post(message, values.tobytes())
        self._flushed = time.monotonic()

    def _send_ledger(self) -> None:
        ledger = ledger_state(self._pairs.ledger)
        self._post(
            LedgerMessage(
                type="ledger",
                epoch=self.epoch,
                ledger=ledger,
                read_outs=read_out_states(self._pairs),
                similarity=ledger["similarity"],
                about=self._pairs.provenance(),
            )
        )

    def _send_region(self, identifier: int, features: list[int], part: str) -> None:
        values = self._pairs.part(part).of_columns(self._existing(features)).astype("<f4")
        message = FeaturesMessage(
            type="features", epoch=self.epoch, part=part, side=1, id=identifier, features=features
        )
        self._post(message, values.tobytes())

    def _has(self, part: str) -> bool:
        return part == "" or part in self._pairs.parts

    def _ready(self, part: str) -> np.ndarray:
        """Return which rows of a part are computed, ``(rows,)`` bool."""
        return self._pairs.part(part).ready

    def _existing(self, features: list[int]) -> list[int]:
        return [feature for feature in features if 0 <= feature < len(self._special)]

    def _post(self, message: Result, *buffers: bytes) -> None:
        if not self._worker.stopped:
            self._send(message, list(buffers))
