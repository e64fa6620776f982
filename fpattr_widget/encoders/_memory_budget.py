"""The memory that one encoder's measurements share."""

import weakref
from typing import Protocol


class Releasable(Protocol):
    """An object that holds memory only to make further calls faster."""

    def release(self) -> None:
        """Release it; safe from any thread."""
        ...


class MemoryBudget:
    """Keeps the memory of several owners within a limit.

    The owner that was used longest ago is released first. No lock is needed: each step is
    one atomic operation on a dictionary, and two threads at once release too much at worst.
    """

    def __init__(self) -> None:
        self._sizes: dict[int, tuple[weakref.ref[Releasable], int]] = {}

    def add(self, owner: Releasable, size: int, limit: int) -> None:
        """Count an owner's memory in bytes as used last; release others above the limit."""
        self._sizes.pop(id(owner), None)
        others = [(key, owned(), taken) for key, (owned, taken) in list(self._sizes.items())]
        self._sizes[id(owner)] = weakref.ref(owner), size
        total = size + sum(taken for _, other, taken in others if other is not None)
        for key, other, taken in others:
            if other is None:
                self._sizes.pop(key, None)
            elif total > limit:
                other.release()
                self._sizes.pop(key, None)
                total -= taken
