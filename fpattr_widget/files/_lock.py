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
def alone(
    path: Path, argument: str, *, name: str = "", writer: str = "another evaluation"
) -> Iterator[None]:
    """Lock a file, so that no other process or thread writes to it; create it where missing.

    The system releases the lock when the process ends, however that happens.
    On a file system without locks the file is written to without one. Inside the context the
    file may be deleted; who waits for nobody finds a new one.

    Parameters
    ----------
    path
        The file.
    argument
        The name by which the caller knows the path, for errors.
    name
        What errors call the file, unless its own name.
    writer
        What errors call another writer.

    Raises
    ------
    InputError
        When the file is locked by another writer, or cannot be opened.
    """
    while True:
        file = _opened(path, argument)
        try:
            with suppress(OSError):  # a file system without locks
                try:
                    _lock(file)
                except (BlockingIOError, PermissionError):
                    raise InputError(
                        argument,
                        f"names {(name or path.name)!r}, to which {writer} is writing now",
                        "wait until it is done, or name another file",
                    ) from None
            if _was_deleted(file, path):  # by the one that had locked it
                continue
            yield
            return
        finally:
            os.close(file)  # which releases the lock


def _opened(path: Path, argument: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            argument, f"cannot be written ({error.strerror})", "choose another place"
        ) from error


def _was_deleted(file: int, path: Path) -> bool:
    """Return whether a path does not name an open file any more."""
    try:
        return not os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return True


def _lock(file: int) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        os.lseek(file, _BEYOND, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
