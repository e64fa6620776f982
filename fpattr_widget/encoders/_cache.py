"""A small cache that several threads share."""

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


class Recent(Generic[T]):
    """The last few results by key; each is computed once, whoever asks.

    A thread that asks for what another is computing waits for it. No lock of
    the cache itself is held while something is computed.

    Parameters
    ----------
    most
        How many results are kept.
    """

    def __init__(self, most: int):
        self._most = most
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, key: Hashable) -> bool:
        """Tell whether a result is there."""
        with self._lock:
            entry = self._entries.get(key)
        return entry is not None and bool(entry.results)

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result of ``key``, computing it if it is not there."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
        with entry.lock:
            if not entry.results:
                entry.results.append(compute())
            return entry.results[0]
