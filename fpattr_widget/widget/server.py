"""A worker that computes rows beside the kernel and hands them on in batches."""

import atexit
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from ..pairs import FeaturePairs

Send = Callable[[dict[str, Any], list[bytes]], None]

# Jupyter's server drops messages past a thousand a second, without an error.
_FLUSH_SECONDS = 0.05
_MOST_ROWS_A_MESSAGE = 256
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
    demand. ``send`` is called on that thread; it must not set traits.

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
        self._pairs = pairs
        self._send = send
        self._epoch = epoch
        self._wanted: OrderedDict[int, None] = OrderedDict()
        self._urgent: list[int] = []
        self._regions: OrderedDict[Any, list[int]] = OrderedDict()
        self._ledger_wanted = False
        self._step = 1  # rows computed at once while filling
        self._computed: list[int] = []  # not sent yet
        self._flushed = 0.0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False
        _LIVE.add(self)

    def fill(self) -> None:
        """Send the ledger and every row, computing those that are missing."""
        with self._changed:
            self._ledger_wanted = True
            self._wanted.update(dict.fromkeys(range(len(self._pairs.tokens))))
            self._wake()

    def ask_rows(self, tokens: list[int]) -> None:
        """Put these rows before all others."""
        count = len(self._pairs.tokens)
        with self._changed:
            self._urgent = [token for token in tokens if 0 <= token < count]
            self._wake()

    def ask_region(self, identifier: Any, patches: list[int]) -> None:
        """Answer with each token's attribution to a region; only the last one asked counts."""
        with self._changed:
            self._regions.clear()
            self._regions[identifier] = patches
            self._wake()

    def stop(self) -> None:
        """End the thread after the step that it is in."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is nothing left to do; return whether that came true."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _wake(self) -> None:
        if self._stopped or self._thread is not None:
            return
        self._thread = threading.Thread(target=self._run, name="fpattr-rows", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._computed.clear()
        self._flushed = time.monotonic()
        try:
            while self._work():
                pass
        except Exception as error:
            with self._changed:
                self._thread = None
                self._wanted.clear()
                self._urgent = []
                self._regions.clear()
                self._ledger_wanted = False
            self._send({"type": "failure", "epoch": self._epoch, "message": _sentence(error)}, [])

    def _work(self) -> bool:
        """Do the next thing; return whether the thread is still needed."""
        job = self._next()
        if job is None:
            if self._computed:
                self._flush()
                return True
            self._send({"type": "done", "epoch": self._epoch}, [])
            return not self._finish()
        kind, value = job
        if kind == "ledger":
            self._send_ledger()
        elif kind == "region":
            self._send_region(*value)
        else:
            self._compute_rows(value, urgent=kind == "urgent")
        return True

    def _compute_rows(self, tokens: list[int], *, urgent: bool) -> None:
        started = time.monotonic()
        self._pairs.feature_rows(tokens)
        self._computed.extend(tokens)
        now = time.monotonic()
        if not urgent:
            quick = now - started < _STEP_SECONDS / 2
            self._step = 2 * self._step if quick else max(1, self._step // 2)
        due = now - self._flushed > _FLUSH_SECONDS
        if urgent or due or len(self._computed) >= _MOST_ROWS_A_MESSAGE:
            self._flush()

    def _flush(self) -> None:
        values = np.ascontiguousarray(self._pairs.feature_rows(self._computed), dtype="<f4")
        message = {"type": "rows", "epoch": self._epoch, "tokens": list(self._computed)}
        self._send(message, [values.tobytes()])
        self._computed.clear()
        self._flushed = time.monotonic()

    def _next(self) -> tuple[str, Any] | None:
        with self._changed:
            if self._stopped:
                return None
            if self._urgent:
                token = self._urgent.pop(0)
                self._wanted.pop(token, None)
                return "urgent", [token]
            if self._regions:
                return "region", self._regions.popitem(last=False)
            if self._ledger_wanted:
                self._ledger_wanted = False
                return "ledger", None
            if self._wanted:
                count = min(self._step, len(self._wanted), _MOST_ROWS_A_MESSAGE)
                return "rows", [self._wanted.popitem(last=False)[0] for _ in range(count)]
            return None

    def _finish(self) -> bool:
        """Let the thread go, unless work came in the meantime."""
        with self._changed:
            waiting = self._wanted or self._urgent or self._regions or self._ledger_wanted
            if waiting and not self._stopped:
                return False
            self._thread = None
            return True

    def _send_ledger(self) -> None:
        ledger = asdict(self._pairs.ledger)
        self._send(
            {
                "type": "ledger",
                "epoch": self._epoch,
                "ledger": ledger,
                "similarity": ledger["similarity"],
                "about": self._pairs.described(),
            },
            [],
        )

    def _send_region(self, identifier: Any, patches: list[int]) -> None:
        rows, columns = self._pairs.grid
        mask = np.zeros(rows * columns, bool)
        mask[[patch for patch in patches if 0 <= patch < mask.size]] = True
        values = self._pairs.of_region(mask.reshape(rows, columns)).astype("<f4")
        self._send({"type": "region", "epoch": self._epoch, "id": identifier}, [values.tobytes()])


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return (
            "There is not enough memory for this attribution: choose a later `layer` "
            "(−1 is the cheapest) or fewer `steps`."
        )
    text = str(error).strip() or "no reason given"
    return text if text.endswith(".") else f"{type(error).__name__}: {text}."
