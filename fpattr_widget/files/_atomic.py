"""Write a file wholly or not at all."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import InputError


def checked_path(path: Any) -> str:
    """Return a path as a string.

    Raises
    ------
    InputError
        When it is no path.
    """
    named = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(named, str):
        raise InputError("path", f"is a {type(named).__name__}", "pass the name of a file")
    if "\0" in named:
        raise InputError("path", "holds a null character", "pass the name of a file")
    return named


def writable(path: Any) -> Path:
    """Return the file that a path stands for, links followed, if it can be written.

    Raises
    ------
    InputError
        When its folder does not exist or cannot be written to, or when it
        names something that is no file or is write-protected.
    """
    named = checked_path(path)
    shown = Path(named).name
    if not os.path.basename(named) or os.path.isdir(named):
        raise InputError("path", f"is the folder {shown!r}", "add the name of a file")
    try:
        target = Path(os.path.realpath(named))
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
                raise InputError(
                    "path", f"names {shown!r}, which is no file", "choose another name"
                )
            if not os.access(target, os.W_OK):
                raise InputError(
                    "path",
                    f"names {shown!r}, which is write-protected",
                    "choose another name",
                )
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise _refusal(error) from error
    return target


def write_atomically(path: Any, data: bytes) -> None:
    """Write a file so that its name stands for the old content or the new, never for a part.

    The data goes to a temporary file in the same folder, which then takes the
    name. Whatever happens before, the old file stays and the temporary one goes.

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
    target = writable(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):  # a new file has no permissions to keep
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _refusal(error) from error
        raise


def _refusal(error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or "no such name is possible"
    return InputError("path", f"cannot be written ({reason})", "choose another place or name")
