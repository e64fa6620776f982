"""What the notebook's kernel tells: which cell runs, for whom, when it runs again or is stopped.

A worker may run while the kernel is idle, and ipykernel ignores SIGINT between
cells. So a handler of ours stands where ipykernel keeps the one that it puts
back after each cell. It only counts, for it may come at any point of the main
thread; workers look at the count between their steps.
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
# Who was made in a cell, by the cell's id.
_MADE: "dict[str, weakref.WeakSet[Resident]]" = {}
_RESIDENTS: "weakref.WeakSet[Resident]" = weakref.WeakSet()  # all of them
_MADE_GUARD = threading.Lock()
_page_spoke = False
_NUMBERED = re.compile(r"(_\d+)+")


class Resident(Protocol):
    """What was made in a cell, and wants to know of it and of those that follow."""

    def superseded(self) -> None:
        """Take note that the cell that made it starts again."""
        ...

    def cell_ended(self) -> None:
        """Take note that a cell ends, whichever, in a notebook that no page shows."""
        ...


def interrupts() -> int:
    """Return how many times the user has stopped the kernel."""
    return _interrupts


def interrupt() -> None:
    """Stop every worker after the step that it is in."""
    global _interrupts
    _interrupts += 1


def watch() -> None:
    """Follow the kernel from now on, if there is one; calling it again changes nothing."""
    shell = kernel_shell()
    if shell is None:
        return
    # Registering a function twice leaves it there once.
    shell.events.register("pre_run_cell", _before_cell)
    shell.events.register("post_run_cell", _after_cell)
    _hear_signals(shell.kernel)


def attended() -> bool:
    """Return whether a page may be there to show what the running cell displays.

    Pages say something about the cell in an execution's metadata, JupyterLab,
    Notebook and VS Code its id. Programs that execute a notebook (nbclient, and
    with it nbconvert and papermill) leave it empty and number their messages as
    jupyter_client does. So does Voilà, which shows a page afterwards.
    """
    shell = kernel_shell()
    if shell is None or _page_spoke or _in_voila():
        return True
    with suppress(Exception):  # a kernel that tells nothing of its messages
        request = shell.kernel.get_parent("shell")
        header = request["header"]
        number = header["msg_id"].removeprefix(header["session"])
        return bool(request["metadata"]) or _NUMBERED.fullmatch(number) is None
    return True


def heard_page() -> None:
    """Keep in mind that a page is there, whoever runs the cells."""
    global _page_spoke
    _page_spoke = True


def settle(resident: Resident) -> str | None:
    """Keep in mind the cell that runs now for a new resident; return the cell's id."""
    cell = _current_cell()
    with _MADE_GUARD:
        _RESIDENTS.add(resident)
        if cell is not None:
            _MADE.setdefault(cell, weakref.WeakSet()).add(resident)
    return cell


def leave(resident: Resident, cell: str | None) -> None:
    """Forget a resident of a cell."""
    with _MADE_GUARD:
        _RESIDENTS.discard(resident)
        if cell in _MADE:
            _MADE[cell].discard(resident)
            if not _MADE[cell]:
                del _MADE[cell]


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
    with _MADE_GUARD:
        residents = list(_MADE[cell]) if cell in _MADE else []
    for resident in residents:
        resident.superseded()
    shell = kernel_shell()
    if shell is not None:
        _hear_signals(shell.kernel)


def _after_cell(result: Any) -> None:
    error = getattr(result, "error_in_exec", None)
    # A cell with `await` is cancelled.
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        interrupt()
    if attended():
        return
    with _MADE_GUARD:
        residents = list(_RESIDENTS)
    try:
        for resident in residents:
            resident.cell_ended()
    except KeyboardInterrupt:  # the cell is over: there is nobody else to tell
        interrupt()


class _IdleHandler:
    """Takes SIGINT between cells, and hands it on to whoever was there before."""

    def __init__(self, before: Any):
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        interrupt()
        if callable(self._before):
            self._before(number, frame)


def _hear_signals(kernel: Any) -> None:
    """Stand where the kernel's own handler for the time between cells stands."""
    between = getattr(kernel, "saved_sigint_handler", None)
    if _can_stand_in_for(between):
        kernel.saved_sigint_handler = _IdleHandler(between)
    on_main_thread = threading.current_thread() is threading.main_thread()
    # The kernel may be between cells now, when its loop runs a callback.
    if on_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        with suppress(ValueError, OSError):
            signal.signal(signal.SIGINT, _IdleHandler(signal.SIG_IGN))


def _can_stand_in_for(handler: Callable[..., Any] | int | None) -> bool:
    if isinstance(handler, _IdleHandler):
        return False
    return handler is signal.SIG_IGN or callable(handler)
