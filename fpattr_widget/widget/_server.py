"""A worker that computes rows beside the kernel and hands them on in batches."""

import atexit
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice, takewhile
from typing import Any, cast

import numpy as np

from ..pairs import FeaturePairs
from ..progress import LONG, Stopped, about, cheaper, listening
from ..view import (
    DoneMessage,
    FailureMessage,
    InterruptedMessage,
    LedgerMessage,
    LedgerState,
    ProgressMessage,
    RegionMessage,
    Result,
    RowsMessage,
)
from ._failures import sentence
from ._kernel import interrupts

Send = Callable[[Result, list[bytes]], None]

# Jupyter's server drops messages past a thousand a second, without an error.
_FLUSH_SECONDS = 0.05
_MOST_ROWS_A_MESSAGE = 256
_REPORT_SECONDS = 0.15
# A step of the fill should take about this long: longer would keep a hover waiting.
_STEP_SECONDS = 0.05


_LIVE: "weakref.WeakSet[RowServer]" = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    # torch aborts the process when the interpreter ends under a running thread.
    for server in list(_LIVE):
        server.stop()
    for server in list(_LIVE):
        server.wait(30)


class RowServer:
    """Computes the rows of some pairs, those asked for first, the rest in reading order.

    The thread ends when there is nothing left to do and starts again on
    demand. ``send`` is called on that thread; it must not set traits. Where no
    thread can be started, who asks computes.

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
        self._lock = threading.RLock()
        self._wanted: OrderedDict[int, None] = OrderedDict()
        self._urgent: list[int] = []
        self._region: tuple[int, list[int]] | None = None
        self._ledger_wanted = False
        self._step = 1  # rows computed at once while filling
        self._computed: list[int] = []  # not sent yet
        self._flushed = 0.0
        self._busy = False
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._release = False
        self._interrupts = interrupts()  # that were noticed
        self._interrupted = False  # and not told yet
        self._failure = ""
        self._reported = 0.0  # when progress was told last
        self._rows_timed, self._seconds = 0, 0.0  # rows that took time to compute
        self._quiet = False  # "done" would make a page ask for what the user stopped
        _LIVE.add(self)

    @property
    def failure(self) -> str:
        """Why it gave up, in a sentence; ``""`` where it did not, or was asked again."""
        return self._failure

    def fill(self) -> None:
        """Send the ledger and every row, computing those that are missing."""
        with self._asking():
            self._quiet = False
            self._ledger_wanted = True
            self._wanted.update(dict.fromkeys(range(len(self._pairs.tokens))))

    def ask_rows(self, tokens: list[int]) -> None:
        """Put these rows before all others."""
        count = len(self._pairs.tokens)
        with self._asking():
            self._urgent = [token for token in tokens if 0 <= token < count]

    def ask_region(self, identifier: int, patches: list[int]) -> None:
        """Answer with each token's attribution to a region; only the last one asked counts."""
        with self._asking():
            self._region = identifier, patches

    def stop(self, *, release: bool = False) -> None:
        """End the thread, within one forward pass of the model.

        Parameters
        ----------
        release
            Whether the pairs then let go of what only makes them faster.
        """
        with self._lock:
            self._stopped = True
            self._release = self._release or release
            idle = not self._busy
        if idle and release:
            self._pairs.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is nothing left to do; return whether that came true."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Take down a wish, and see to it that someone is at work."""
        inline = False
        with self._lock:
            self._notice_interrupts()
            self._failure = ""
            yield
            if not self._busy and not self._stopped:
                self._busy = True
                inline = not self._start_thread()
        if inline:
            self._run()

    def _start_thread(self) -> bool:
        thread = threading.Thread(target=self._run, name="fpattr-rows", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the host has no threads, or no more of them
            if sys.is_finalizing():
                raise
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        self._flushed = time.monotonic()
        try:
            with listening(self._is_to_stop, self._report):
                while self._step_or_stop():
                    pass
        except Exception as error:
            self._failure = message = sentence(error)
            with suppress(Exception):
                self._flush()
            self._rest()
            with suppress(Exception):  # the host may be gone
                self._tell(FailureMessage(type="failure", epoch=self.epoch, message=message))
        except BaseException:  # stopped while computing on the thread of who asked
            self._rest()
            self._tell(InterruptedMessage(type="interrupted", epoch=self.epoch))
            raise
        finally:
            if self._release:
                self._pairs.release()

    def _is_to_stop(self) -> bool:
        return self._stopped or self._interrupts != interrupts()

    def _step_or_stop(self) -> bool:
        """Work, and if that is stopped on the way see to what comes next."""
        try:
            return self._work()
        except Stopped:
            with self._lock:
                self._notice_interrupts()
            return True

    def _report(self, message: str) -> None:
        """Tell what is being done, now and then."""
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            self._tell(ProgressMessage(type="progress", epoch=self.epoch, message=message))

    def _work(self) -> bool:
        """Do the next thing; return whether the thread is still needed."""
        kind, value = self._next()
        if kind == "interrupted":
            self._flush()
            self._tell(InterruptedMessage(type="interrupted", epoch=self.epoch))
        elif kind == "ledger":
            self._send_ledger()
        elif kind == "region":
            self._send_region(*value)
        elif kind == "nothing":
            return self._close()
        else:
            self._compute_rows(value, urgent=kind == "urgent")
        return True

    def _close(self) -> bool:
        """Send what is left; return whether work came in the meantime."""
        self._flush()
        if not self._quiet:
            self._tell(DoneMessage(type="done", epoch=self.epoch))
        with self._lock:
            self._notice_interrupts()
            waiting = self._wanted or self._urgent or self._region or self._ledger_wanted
            if (waiting or self._interrupted) and not self._stopped:
                return True
            self._busy = False
            self._thread = None
            return False

    def _compute_rows(self, tokens: list[int], *, urgent: bool) -> None:
        started = time.monotonic()
        known = self._pairs.ready[tokens].all()
        self._pairs.feature_rows(tokens)
        self._computed.extend(tokens)
        now = time.monotonic()
        if not known:
            self._rows_timed += len(tokens)
            self._seconds += now - started
            self._report_rows()
        if not urgent and not known:
            quick = now - started < _STEP_SECONDS / 2
            self._step = 2 * self._step if quick else max(1, self._step // 2)
        due = now - self._flushed > _FLUSH_SECONDS
        if urgent or due or len(self._computed) >= _MOST_ROWS_A_MESSAGE:
            self._flush()

    def _report_rows(self) -> None:
        """Tell how long the rows that are missing will take, if that is worth telling."""
        ready = self._pairs.ready
        left = int((~ready).sum()) * self._seconds / self._rows_timed
        if left >= LONG:
            done = f"{int(ready.sum())} of {len(ready)} rows are there"
            self._report(f"{done} · {about(left)} left{cheaper(self._pairs.cheaper)}")

    def _flush(self) -> None:
        tokens, self._computed = self._computed, []
        if tokens:
            values = np.ascontiguousarray(self._pairs.feature_rows(tokens), dtype="<f4")
            self._tell(RowsMessage(type="rows", epoch=self.epoch, tokens=tokens), values.tobytes())
        self._flushed = time.monotonic()

    def _next(self) -> tuple[str, Any]:
        with self._lock:
            self._notice_interrupts()
            if self._stopped:
                return "nothing", None
            if self._interrupted:
                self._interrupted = False
                return "interrupted", None
            if self._urgent:
                token = self._urgent.pop(0)
                self._wanted.pop(token, None)
                return "urgent", [token]
            if self._region:
                region, self._region = self._region, None
                return "region", region
            if self._ledger_wanted:
                self._ledger_wanted = False
                return "ledger", None
            if self._wanted:
                return "rows", self._next_rows()
            return "nothing", None

    def _next_rows(self) -> list[int]:
        """Return as many as a step computes, or more that are there already."""
        ready = self._pairs.ready
        there = ready[next(iter(self._wanted))]
        most = _MOST_ROWS_A_MESSAGE if there else min(self._step, _MOST_ROWS_A_MESSAGE)
        alike = takewhile(lambda token: ready[token] == there, self._wanted)
        tokens = list(islice(alike, most))
        for token in tokens:
            del self._wanted[token]
        return tokens

    def _notice_interrupts(self) -> None:
        """Drop what was wanted before the user stopped the kernel."""
        if self._interrupts != interrupts():
            self._interrupts = interrupts()
            if self._busy:
                self._interrupted = self._quiet = True
            self._drop()

    def _rest(self) -> None:
        """Drop the work and let the thread go."""
        with self._lock:
            self._drop()
            self._busy = False
            self._thread = None

    def _drop(self) -> None:
        self._wanted.clear()
        self._urgent = []
        self._region = None
        self._ledger_wanted = False

    def _send_ledger(self) -> None:
        ledger = cast(LedgerState, asdict(self._pairs.ledger))
        self._tell(
            LedgerMessage(
                type="ledger",
                epoch=self.epoch,
                ledger=ledger,
                similarity=ledger["similarity"],
                about=self._pairs.described(),
            )
        )

    def _send_region(self, identifier: int, patches: list[int]) -> None:
        rows, columns = self._pairs.grid
        mask = np.zeros(rows * columns, bool)
        mask[[patch for patch in patches if 0 <= patch < mask.size]] = True
        values = self._pairs.of_region(mask.reshape(rows, columns)).astype("<f4")
        message = RegionMessage(type="region", epoch=self.epoch, id=identifier)
        self._tell(message, values.tobytes())

    def _tell(self, message: Result, *buffers: bytes) -> None:
        if not self._stopped:
            self._send(message, list(buffers))
