"""Write a file wholly or not at all."""

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError

_LONGEST_ENDING = 20  # characters that an error quotes


def checked_path(path: Any) -> str:
    """Return a path as a string.

    Raises
    ------
    InputError
        When it is no path.
    """
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(name, str):
        raise InputError("path", f"is a {type(name).__name__}", "pass the name of a file")
    if "\0" in name:
        raise InputError("path", "holds a null character", "pass the name of a file")
    return name


def checked_ending(path: Any, endings: Sequence[str]) -> str:
    """Return the ending of a file's name, in small letters.

    Parameters
    ----------
    path
        A string or a path.
    endings
        Those that can be written, such as ``(".png", ".svg")``.

    Raises
    ------
    InputError
        When it is no path, or has none of these endings.
    """
    ending = Path(checked_path(path)).suffix.lower()
    if ending not in endings:
        *others, last = endings
        problem = f"ends in {ending[:_LONGEST_ENDING]!r}" if ending else "has no ending"
        remedy = f"pass a name that ends in {', '.join(others)} or {last}"
        raise InputError("path", problem, remedy)
    return ending


def writable(path: Any) -> Path:
    """Return the file that a path stands for, links followed, if it can be written.

    Raises
    ------
    InputError
        When its folder does not exist or cannot be written to, or when it
        names something that is no file or is write-protected.
    """
    name = checked_path(path)
    base = Path(name).name
    if not os.path.basename(name) or os.path.isdir(name):
        raise InputError("path", f"is the folder {base!r}", "add the name of a file")
    try:
        target = Path(os.path.realpath(name))
        folder = target.parent
        if not folder.is_dir():
            raise InputError(
                "path",
                f"lies in {folder.name!r}, which is no folder",
                "make it first, or choose another",
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(
                "path",
                f"lies in the folder {folder.name!r}, which you cannot write to",
                "choose another",
            )
        if os.path.exists(target):
            if not target.is_file():
                raise InputError("path", f"names {base!r}, which is no file", "choose another name")
            if not os.access(target, os.W_OK):
                raise InputError(
                    "path", f"names {base!r}, which is write-protected", "choose another name"
                )
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise _not_written(error) from error
    return target


def write_atomically(path: Any, data: bytes) -> None:
    """Write a file so that its name stands for the old content or the new, never for a part.

    Parameters
    ----------
    path
        A string or a path; a link's target is replaced, not the link.
    data
        The whole content.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    with written_atomically(path) as file:
        file.write(data)


@contextmanager
def written_atomically(path: Any) -> Iterator[BinaryIO]:
    """Return a context that yields a file to write to, which takes its name at the end.

    The data goes to a temporary file in the same folder. If anything fails before the end,
    the old file stays and the temporary one is removed.

    Parameters
    ----------
    path
        A string or a path; a link's target is replaced, not the link.

    Yields
    ------
    file
        Open for writing bytes.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    target = writable(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):  # a new file has no permissions to keep
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _not_written(error) from error
        raise


def _not_written(error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or "no such name is possible"
    return InputError("path", f"cannot be written ({reason})", "choose another place or name")
