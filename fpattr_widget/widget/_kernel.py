"""The notebook's kernel: its cells and interrupts, and whether a page shows it.

A worker may run while the kernel is idle, and ipykernel ignores SIGINT between
cells. So this module puts a handler where ipykernel keeps the one that it
restores after each cell. It only counts, for a signal may interrupt the main
thread anywhere; workers compare the count between their steps.
"""

import asyncio
import os
import re
import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Protocol

_interrupts = 0
_OF_CELL: "dict[str, weakref.WeakSet[CellListener]]" = {}  # listeners by their cell's id
_LISTENERS: "weakref.WeakSet[CellListener]" = weakref.WeakSet()  # all of them
_LISTENERS_LOCK = threading.Lock()
_page_answered = False
_NUMBERED = re.compile(r"(_\d+)+")


class CellListener(Protocol):
    """An object that was made in a cell, and is informed of this cell and of those that follow."""

    def cell_runs_again(self) -> None:
        """Note that the cell that made the object starts again."""
        ...

    def cell_ended(self) -> None:
        """Note that any cell ends, in a notebook that no page shows."""
        ...


def interrupts() -> int:
    """Return how many times the user has stopped the kernel."""
    return _interrupts


def interrupt() -> None:
    """Stop every worker after the step that it is in."""
    global _interrupts
    _interrupts += 1


def watch() -> None:
    """Listen to the kernel from now on, if there is one; calling it again changes nothing."""
    shell = kernel_shell()
    if shell is None:
        return
    # Registering a function twice leaves it there once.
    shell.events.register("pre_run_cell", _before_cell)
    shell.events.register("post_run_cell", _after_cell)
    _count_signals(shell.kernel)


def attended() -> bool:
    """Return whether a page may be there to show what the running cell displays.

    Pages put something about the cell into an execution's metadata;
    JupyterLab, Notebook and VS Code its id. Programs that execute a notebook (nbclient, and
    with it nbconvert and papermill) leave it empty and number their messages as
    jupyter_client does. So does Voilà, which shows a page afterwards.
    """
    shell = kernel_shell()
    if shell is None or _page_answered or _in_voila():
        return True
    with suppress(Exception):  # a kernel without access to its messages
        request = shell.kernel.get_parent("shell")
        header = request["header"]
        number = header["msg_id"].removeprefix(header["session"])
        return bool(request["metadata"]) or _NUMBERED.fullmatch(number) is None
    return True


def note_page() -> None:
    """Remember that a page has answered, so that ``attended`` is true from now on."""
    global _page_answered
    _page_answered = True


def register(listener: CellListener) -> str | None:
    """Inform a listener of this cell and of those that follow; return this cell's id."""
    cell = _current_cell()
    with _LISTENERS_LOCK:
        _LISTENERS.add(listener)
        if cell is not None:
            _OF_CELL.setdefault(cell, weakref.WeakSet()).add(listener)
    return cell


def unregister(listener: CellListener, cell: str | None) -> None:
    """Stop informing a listener that was registered in a cell."""
    with _LISTENERS_LOCK:
        _LISTENERS.discard(listener)
        if cell in _OF_CELL:
            _OF_CELL[cell].discard(listener)
            if not _OF_CELL[cell]:
                del _OF_CELL[cell]


def follow_current_shell(comm: Any) -> None:
    """Let a comm answer on whatever shell a message came, so that a busy cell delays no hover.

    ipykernel 7.4 pins a comm to the shell that last sent on it.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None


def kernel_shell() -> Any:
    """Return the IPython shell of a Jupyter kernel, or ``None`` elsewhere."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def _in_voila() -> bool:
    software = os.environ.get("SERVER_SOFTWARE", "")
    return software.startswith("voila/") or "VOILA_BASE_URL" in os.environ


def _current_cell() -> str | None:
    shell = kernel_shell()
    with suppress(Exception):  # a kernel without cells, or none
        cell = shell.kernel.get_parent("shell")["metadata"]["cellId"]
        return cell if isinstance(cell, str) and cell else None
    return None


def _before_cell(info: Any) -> None:
    cell = getattr(info, "cell_id", None)
    with _LISTENERS_LOCK:
        listeners = list(_OF_CELL[cell]) if cell in _OF_CELL else []
    for listener in listeners:
        listener.cell_runs_again()
    shell = kernel_shell()
    if shell is not None:
        _count_signals(shell.kernel)


def _after_cell(result: Any) -> None:
    error = getattr(result, "error_in_exec", None)
    # A cell with `await` is cancelled.
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        interrupt()
    if attended():
        return
    with _LISTENERS_LOCK:
        listeners = list(_LISTENERS)
    try:
        for listener in listeners:
            listener.cell_ended()
    except KeyboardInterrupt:  # the cell is over: no code of the user's can take it
        interrupt()


class _IdleHandler:
    """Counts SIGINT between cells, and passes it on to the handler that was there before."""

    def __init__(self, before: Any):
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        interrupt()
        if callable(self._before):
            self._before(number, frame)


def _count_signals(kernel: Any) -> None:
    """Put a counting handler in the place of the kernel's own for the time between cells."""
    between = getattr(kernel, "saved_sigint_handler", None)
    if _can_replace(between):
        kernel.saved_sigint_handler = _IdleHandler(between)
    on_main_thread = threading.current_thread() is threading.main_thread()
    # The kernel may be between cells now, when its loop runs a callback.
    if on_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        with suppress(ValueError, OSError):
            signal.signal(signal.SIGINT, _IdleHandler(signal.SIG_IGN))


def _can_replace(handler: Callable[..., Any] | int | None) -> bool:
    if isinstance(handler, _IdleHandler):
        return False
    return handler is signal.SIG_IGN or callable(handler)
