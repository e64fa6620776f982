"""One writer to a file at a time, among all processes of a machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_BEYOND = 2**62  # a byte that no file has: on Windows a locked one cannot be read by others


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only one to write to a file; it is made where it is missing.

    The system lets go of it when the process ends, however that happens. A file
    system that knows no locks gives none, and is written to all the same.

    Raises
    ------
    InputError
        When another one writes to it now.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            "scores", f"cannot be written ({error.strerror})", "choose another place"
        ) from error
    try:
        with suppress(OSError):  # a file system that knows no locks
            try:
                _lock(file)
            except (BlockingIOError, PermissionError):
                raise InputError(
                    "scores",
                    f"names {path.name!r}, to which another evaluation is writing now",
                    "wait until it is done, or name another file",
                ) from None
        yield
    finally:
        os.close(file)  # which ends the lock


def _lock(file: int) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        os.lseek(file, _BEYOND, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
