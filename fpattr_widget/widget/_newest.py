"""A worker that does the newest of what it is asked, beside the kernel."""

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_LIVE: "weakref.WeakSet[Newest]" = weakref.WeakSet()


def stop_all() -> None:
    """Stop all work, as has to be done before the interpreter ends.

    torch aborts a process that ends under a running thread.
    """
    for newest in list(_LIVE):
        newest.stop()
    for newest in list(_LIVE):
        newest.join(30)


class Turn:
    """One time that the work is done."""

    def __init__(self, newest: "Newest", number: int):
        self._newest = newest
        self.number = number
        self.waits_for: Any = None

    @property
    def stale(self) -> bool:
        """Whether the work has been asked for again, or not at all any more."""
        return self._newest.is_stale(self.number)

    @contextmanager
    def waiting_for(self, what: Any) -> Iterator[None]:
        """Wait for something slow; who asks for something else meanwhile need not."""
        self.waits_for = what
        try:
            yield
        finally:
            self.waits_for = None


class Newest:
    """Does some work each time that it is asked to; only the last time counts.

    The thread ends when there is nothing left to do and starts again on
    demand. Where threads cannot be started, the work is done on the spot.

    Parameters
    ----------
    work
        Called with a :class:`Turn`. It reads for itself what is wanted, and
        gives up, or has no effect, once its turn is stale. Two turns may run
        at a time, of which the older one is stale.
    rested
        Called after each turn, on its thread.
    """

    def __init__(self, work: Callable[[Turn], None], rested: Callable[[], None] = lambda: None):
        self._work = work
        self._rested = rested
        self._changed = threading.Condition()
        self._asked = 0
        self._begun = 0
        self._done = 0
        self._turn: Turn | None = None
        self._worker: object = None
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._stopped = False
        _LIVE.add(self)

    @property
    def busy(self) -> bool:
        """Whether the newest work is still to be done."""
        return self._done < self._asked and not self._stopped

    def ask(self, needs: Any = None) -> None:
        """Do the work, once more if it is under way.

        Parameters
        ----------
        needs
            What it will wait for. A turn that waits for something else is left
            to itself, and the work begins at once.
        """
        with self._changed:
            if self._stopped:
                return
            self._asked += 1
            waits_for = None if self._turn is None else self._turn.waits_for
            if self._worker is not None and waits_for in (None, needs):
                return
            self._worker, self._turn = (worker := object()), None
            thread = threading.Thread(
                target=self._run, args=(worker,), name="fpattr-newest", daemon=True
            )
            self._threads.add(thread)
            try:
                thread.start()
                return
            except RuntimeError:  # a host without threads
                self._threads.discard(thread)
        self._run(worker)

    def is_stale(self, number: int) -> bool:
        """Return whether the work was asked for after the turn of this number."""
        return number < self._asked or self._stopped

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the newest work is done; return whether that came true.

        On the worker's own thread there is nothing to wait for.
        """
        with self._changed:
            if threading.current_thread() in self._threads:
                return not self.busy
            return self._changed.wait_for(lambda: not self.busy, timeout)

    def stop(self) -> None:
        """Do nothing more; what is under way is stale."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the threads to end; return whether they have."""
        for thread in list(self._threads):
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, worker: object) -> None:
        while (turn := self._next(worker)) is not None:
            with _told():
                self._work(turn)
            with self._changed:
                self._done = max(self._done, turn.number)
                self._changed.notify_all()
            with _told():
                self._rested()

    def _next(self, worker: object) -> Turn | None:
        with self._changed:
            if self._worker is not worker:
                return None
            if self._stopped or self._begun == self._asked:
                self._worker = self._turn = None
                return None
            self._begun = self._asked
            self._turn = Turn(self, self._asked)
            return self._turn


@contextmanager
def _told() -> Iterator[None]:
    """Let an error be told as that of a thread, and go on: observers are not ours."""
    try:
        yield
    except Exception:
        told = threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
        threading.excepthook(told)
