"""A worker thread beside the kernel, and the end of all of them with the interpreter."""

import atexit
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")

_JOIN_SECONDS = 30.0  # for which the end of the interpreter waits for a thread


class StopOrder(IntEnum):
    """The order in which workers are stopped when the interpreter ends.

    Explorers come first, for a change under way may still start a row server.
    """

    EXPLORER = 0
    ROWS = 1


class Worker(Generic[Job]):
    """Does the jobs of a queue, one after the other, on a thread.

    The thread starts when a job is requested and ends when none is left. Where
    no thread can be started, the caller's thread does the jobs. An exception in
    a job is reported as that of a thread, and the next job is done all the same.

    Parameters
    ----------
    take
        The policy of the queue: takes the next job out of it and returns it,
        or ``None`` if there is none. Called with ``lock`` held.
    work
        Does a job. Called without the lock.
    name
        Of the thread.
    stop_order
        When it is stopped at the end of the interpreter.
    rested
        Called without the lock when the thread is about to end.

    Attributes
    ----------
    lock
        Guards the queue; may be taken again by the thread that holds it.
    job
        The job under way, ``None`` if there is none.
    """

    def __init__(
        self,
        take: Callable[[], Job | None],
        work: Callable[[Job], object],
        *,
        name: str,
        stop_order: StopOrder,
        rested: Callable[[], object] = lambda: None,
    ):
        self.lock = threading.RLock()
        self.job: Job | None = None
        self.stop_order = stop_order
        self._take = take
        self._work = work
        self._name = name
        self._rested = rested
        self._changed = threading.Condition(self.lock)
        self._run: object | None = None  # the run that takes jobs; an abandoned one takes none
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._identifiers: set[int] = set()  # of the threads that are inside a run
        self._stopped = False
        _LIVE.add(self)

    @property
    def busy(self) -> bool:
        """Whether a thread is taking jobs."""
        return self._run is not None

    @property
    def stopped(self) -> bool:
        """Whether no further job will be done."""
        return self._stopped

    @contextmanager
    def requesting(self) -> Iterator[None]:
        """Hold the lock while something is put into the queue, then start a thread if idle."""
        inline: object | None = None
        try:
            with self.lock:
                try:
                    yield
                finally:  # also if the user interrupts meanwhile: waiting threads count on it
                    inline = self._start()
        finally:
            if inline is not None:
                self._do_jobs(inline)

    def abandon(self) -> None:
        """Let the thread end after the job under way, and another one do those that follow.

        Call it while ``requesting``.
        """
        self._run = self.job = None

    def wait_until(self, reached: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until a condition holds, looking after each job; return whether it does.

        Returns at once on the worker's own thread.

        Parameters
        ----------
        reached
            The condition; called with the lock held.
        timeout
            In seconds; ``None`` waits as long as it takes.
        """
        with self._changed:
            if threading.get_ident() in self._identifiers:
                return reached()
            return self._changed.wait_for(reached, timeout)

    def stop(self) -> None:
        """Do no further job; the one under way is not waited for."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the threads to end, each for so many seconds; return whether all have."""
        for thread in list(self._threads):
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _start(self) -> object | None:
        """Begin a run if there is none; return it if the caller's thread has to do it."""
        if self._run is not None or self._stopped:
            return None
        run = self._run = object()
        thread = threading.Thread(target=self._do_jobs, args=(run,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the host has no threads, or no more of them
            if sys.is_finalizing():
                self._run = None
                raise
            return run
        self._threads.add(thread)
        return None

    def _do_jobs(self, run: object) -> None:
        identifier = threading.get_ident()
        self._identifiers.add(identifier)
        try:
            while (job := self._next(run)) is not None:
                with _reporting_errors():
                    self._work(job)
                with self._changed:
                    self._changed.notify_all()
        finally:
            with self._changed:
                if self._run is run:  # stopped in the middle of a job on the caller's thread
                    self._run = self.job = None
                self._identifiers.discard(identifier)
                self._changed.notify_all()
            with _reporting_errors():
                self._rested()

    def _next(self, run: object) -> Job | None:
        """Take the next job; where there is none, end the run before anything can be requested."""
        with self.lock:
            if self._run is not run:
                return None
            self.job = None if self._stopped else self._take()
            if self.job is None:
                self._run = None
            return self.job


@contextmanager
def _reporting_errors() -> Iterator[None]:
    """Report an error as that of a thread, and go on: observers are not ours."""
    try:
        yield
    except Exception:
        arguments = threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
        threading.excepthook(arguments)


_LIVE: "weakref.WeakSet[Worker[Any]]" = weakref.WeakSet()


@atexit.register
def stop_all() -> None:
    """Stop all workers in their order; torch aborts a process that ends under a running thread."""
    for stage in StopOrder:
        workers = [worker for worker in list(_LIVE) if worker.stop_order is stage]
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join(_JOIN_SECONDS)
