"""Widget state that several threads may change.

Messages from the page come on one thread or another, cells run on a third, and
an explorer shows outcomes from a fourth. In ipywidgets ``hold_sync``, the lock
against echoes and held notifications are plain attributes of the widget, so
that two threads would undo each other's changes.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anywidget


class LockedState(anywidget.AnyWidget):
    """An anywidget of which one thread at a time changes or sends the state."""

    def setup_instance(self, *args: Any, **kwargs: Any) -> None:
        # Before the traits, whose set-up already acquires it.
        object.__setattr__(self, "_state_lock", threading.RLock())
        super().setup_instance(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        with self._state_lock:
            super().__setattr__(name, value)

    def set_trait(self, name: str, value: Any) -> None:
        with self._state_lock:
            super().set_trait(name, value)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self._state_lock:
            super().set_state(sync_data)

    def send_state(self, key: Any = None) -> None:
        with self._state_lock:
            super().send_state(key)

    @contextmanager
    def hold_sync(self) -> Iterator[None]:
        with self._state_lock, super().hold_sync():
            yield

    @contextmanager
    def hold_trait_notifications(self) -> Iterator[None]:
        with self._state_lock, super().hold_trait_notifications():
            yield

    def add_traits(self, **traits: Any) -> None:
        # anywidget adds its own traits to each instance, which makes a class for each.
        new = {name: trait for name, trait in traits.items() if not self.has_trait(name)}
        if new:
            super().add_traits(**new)

    def _send(self, msg: dict[str, Any], buffers: Any = None) -> None:
        comm = self.comm  # read once: another thread may close it
        if comm is not None and getattr(comm, "kernel", True) is not None:
            comm.send(data=msg, buffers=buffers)
