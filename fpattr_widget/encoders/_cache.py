"""A small thread-safe LRU cache."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Entry(Generic[T]):
    """A result, or the lock of the thread that is computing it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.results: list[T] = []


class LRUCache(Generic[T]):
    """A cache of the results used last, each computed by one thread alone.

    A thread that needs a result which another is computing waits for it. The
    cache's own lock is not held while something is computed.

    Parameters
    ----------
    capacity
        The most results that are kept.
    """

    def __init__(self, capacity: int):
        self._capacity = capacity
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        """Return whether a result is cached."""
        with self._lock:
            entry = self._entries.get(key)
        return entry is not None and bool(entry.results)

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result of ``key``; compute it if it is not cached."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        with entry.lock:
            if not entry.results:
                entry.results.append(compute())
            return entry.results[0]
