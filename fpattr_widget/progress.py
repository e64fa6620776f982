"""Long work that says what it does, and can be stopped.

Whoever starts long work on a thread may listen to it: the work calls
:func:`checkpoint` between its steps, and :func:`report` when there is news.
Where nobody listens, both do nothing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

#: Work that takes longer, in seconds, is worth a word beforehand.
LONG = 3.0


class Stopped(BaseException):
    """Raised by :func:`checkpoint` when the listener wants the work to end.

    Like ``KeyboardInterrupt`` it is no ``Exception``: nothing on the way may
    take it for a failure.
    """


@dataclass(frozen=True)
class _Listener:
    stop: Callable[[], bool]
    tell: Callable[[str], None]


class _PerThread(threading.local):
    listener: _Listener | None = None


_HERE = _PerThread()


@contextmanager
def listening(stop: Callable[[], bool], tell: Callable[[str], None]) -> Iterator[None]:
    """Listen to the work that this thread does meanwhile.

    Parameters
    ----------
    stop
        Asked at each checkpoint: whether the work is to end there.
    tell
        Takes what is reported, one sentence each.
    """
    before, _HERE.listener = _HERE.listener, _Listener(stop, tell)
    try:
        yield
    finally:
        _HERE.listener = before


def checkpoint() -> None:
    """Raise ``Stopped`` if the work on this thread is to end here."""
    listener = _HERE.listener
    if listener is not None and listener.stop():
        raise Stopped


def report(message: str) -> None:
    """Tell who listens to this thread what it does now."""
    listener = _HERE.listener
    if listener is not None:
        listener.tell(message)


def about(seconds: float) -> str:
    """Return a length of time in round numbers."""
    if seconds < 90:
        rounded = 10 * round(seconds / 10) if seconds >= 15 else max(1, round(seconds))
        return f"about {rounded} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1g} h"


def cheaper_hint(remedy: str) -> str:
    """Return a remedy as the end of a sentence."""
    return f" · {remedy} is cheaper" if remedy else ""
