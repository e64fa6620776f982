"""How long a notebook that is executed with no page may wait for the values of its views."""

import time
from collections.abc import Callable

_A_VIEW = 10.0  # seconds that may be waited for one view
_IN_VAIN = 30.0  # seconds that may be waited for views that are not done then, in a kernel's life
_lost = 0.0


class Patience:
    """The seconds for which a view may still be waited for.

    A view that gets done costs no more than its computing. What was waited for
    others is counted for the whole notebook, so that many slow views do not
    make it much slower.
    """

    def __init__(self) -> None:
        self._left = _A_VIEW

    def wait(self, done: Callable[[float], bool], at_least: float = 0.0) -> None:
        """Wait until a view is done, or for as long as it may take.

        Parameters
        ----------
        done
            Waits for a number of seconds at most; returns whether the view is done.
        at_least
            Seconds that may be waited in any case.
        """
        global _lost
        seconds = max(at_least, min(self._left, _IN_VAIN - _lost))
        started = time.monotonic()
        ended = seconds <= 0 or done(seconds)
        took = time.monotonic() - started
        self._left -= took
        if not ended:
            _lost += took
