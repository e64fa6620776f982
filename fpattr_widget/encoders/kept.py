"""What is kept of an encoder's work within its memory limit."""

import threading
import weakref
from typing import Protocol


class Releasable(Protocol):
    """What keeps memory that only makes further calls faster."""

    def release(self) -> None:
        """Drop it; from any thread."""
        ...


class Kept:
    """All that is kept of one encoder for further calls, within a limit.

    What was used longest ago is released first.
    """

    def __init__(self) -> None:
        self._sizes: weakref.WeakKeyDictionary[Releasable, int] = weakref.WeakKeyDictionary()
        # Whoever holds it takes no other lock.
        self._lock = threading.Lock()

    def add(self, owner: Releasable, size: int, limit: int) -> None:
        """Count what an owner keeps, in bytes, as used last; release others over the limit."""
        with self._lock:
            self._sizes.pop(owner, None)
            others = list(self._sizes.items())
            self._sizes[owner] = size
            total = size + sum(taken for _, taken in others)
            for other, taken in others:
                if total <= limit:
                    break
                other.release()
                self._sizes.pop(other, None)
                total -= taken
