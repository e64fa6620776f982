"""How long a notebook that is executed without a page may wait for the values of its views."""

import time
from collections.abc import Callable

_A_VIEW = 10.0  # seconds for one view
_IN_VAIN = 30.0  # seconds in a kernel's life for views that are not done after their wait
_lost = 0.0  # seconds of these that have passed


class Patience:
    """The seconds for which to wait for a view.

    A view that is done in time costs no more than its computing. Waits for
    views that are not are added up for the whole notebook, so that many slow
    views do not make it much slower.
    """

    def __init__(self) -> None:
        self._left = _A_VIEW

    def wait(self, done: Callable[[float], bool], at_least: float = 0.0) -> None:
        """Wait until a view is done, or until its seconds have passed.

        Parameters
        ----------
        done
            Waits for a number of seconds at most; returns whether the view is done.
        at_least
            Seconds to wait in any case.
        """
        global _lost
        seconds = max(at_least, min(self._left, _IN_VAIN - _lost))
        started = time.monotonic()
        in_time = seconds <= 0 or done(seconds)
        waited = time.monotonic() - started
        self._left -= waited
        if not in_time:
            _lost += waited
