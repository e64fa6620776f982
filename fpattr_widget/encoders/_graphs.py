"""What is kept of an encoder's work within its memory limit."""

import weakref
from typing import Protocol


class Releasable(Protocol):
    """What keeps memory that only makes further calls faster."""

    def release(self) -> None:
        """Drop it; from any thread."""
        ...


class Kept:
    """All that is kept of one encoder for further calls, within a limit.

    What was used longest ago is released first. No lock is needed: each step is
    one of a dictionary's own, and two threads at once release too much at worst.
    """

    def __init__(self) -> None:
        self._sizes: dict[int, tuple[weakref.ref[Releasable], int]] = {}

    def add(self, owner: Releasable, size: int, limit: int) -> None:
        """Count what an owner keeps, in bytes, as used last; release others over the limit."""
        self._sizes.pop(id(owner), None)
        others = [(key, one(), taken) for key, (one, taken) in list(self._sizes.items())]
        self._sizes[id(owner)] = weakref.ref(owner), size
        total = size + sum(taken for _, other, taken in others if other is not None)
        for key, other, taken in others:
            if other is None:
                self._sizes.pop(key, None)
            elif total > limit:
                other.release()
                self._sizes.pop(key, None)
                total -= taken
