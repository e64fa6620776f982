"""Progress reports and stopping of long computations.

A long computation calls :func:`checkpoint` between its steps, where it can be stopped, and
:func:`report` with messages about its progress. The code that starts it receives both by
:func:`listening` on the same thread; otherwise they do nothing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

#: Seconds from which on a computation reports how long it will take.
LONG = 3.0


class Stopped(BaseException):
    """Raised by :func:`checkpoint` when a computation is to stop.

    Like ``KeyboardInterrupt`` it is not an ``Exception``, so that no handler of
    errors catches it.
    """


@dataclass(frozen=True)
class _Listener:
    is_to_stop: Callable[[], bool]
    receive: Callable[[str], None]


class _PerThread(threading.local):
    listener: _Listener | None = None


_HERE = _PerThread()


@contextmanager
def listening(is_to_stop: Callable[[], bool], receive: Callable[[str], None]) -> Iterator[None]:
    """Return a context that receives the progress of computations on this thread.

    Parameters
    ----------
    is_to_stop
        Called at each checkpoint; returns whether to stop there.
    receive
        Called with each reported message.
    """
    previous, _HERE.listener = _HERE.listener, _Listener(is_to_stop, receive)
    try:
        yield
    finally:
        _HERE.listener = previous


def checkpoint() -> None:
    """Raise ``Stopped`` if the computation on this thread is to stop."""
    listener = _HERE.listener
    if listener is not None and listener.is_to_stop():
        raise Stopped


def is_heard() -> bool:
    """Return whether somebody receives the reports of this thread."""
    return _HERE.listener is not None


def report(message: str) -> None:
    """Report what this thread is doing."""
    listener = _HERE.listener
    if listener is not None:
        listener.receive(message)


def about(seconds: float) -> str:
    """Return a duration in round numbers, such as ``"about 20 s"``."""
    if seconds < 90:
        rounded = 10 * round(seconds / 10) if seconds >= 15 else max(1, round(seconds))
        return f"about {rounded} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1g} h"


def cheaper_hint(alternative: str) -> str:
    """Return a hint at a cheaper alternative, to be appended to a message; ``""`` for none."""
    return f" · {alternative} is cheaper" if alternative else ""
