"""Checks of arguments that several rooms share."""

import os
from numbers import Integral
from pathlib import Path
from typing import Any

from .errors import InputError

_LONGEST_QUOTE = 40  # characters of foreign content in a message


def as_count(value: Any, argument: str, least: int = 1) -> int:
    """Return an argument as a whole number.

    Raises
    ------
    InputError
        When it is not a whole number, or below ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(argument, f"is {quoted(value)}", f"pass a whole number from {least}")
    return int(value)


def as_path(value: Any, argument: str) -> Path:
    """Return an argument as a path, which need not exist.

    Raises
    ------
    InputError
        When it is not a path.
    """
    named = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(named, str):
        raise InputError(argument, f"is a {type(named).__name__}", "pass a path")
    if not named or "\0" in named:
        raise InputError(argument, f"is {quoted(named)}, which names nothing", "pass a path")
    return Path(named)


def as_folder(value: Any, argument: str) -> Path:
    """Return an argument as the path of a folder that exists.

    Raises
    ------
    InputError
        When it is not a path, or there is no such folder.
    """
    path = as_path(value, argument)
    if not path.is_dir():
        raise InputError(argument, f"names no folder ({path})", "pass a folder that exists")
    return path


def quoted(value: object) -> str:
    """Return a value as a message can show it: in quotes, short, on one line, encodable."""
    text = ascii(value) if isinstance(value, str) and not encodable(value) else repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


def encodable(text: str) -> bool:
    """Whether a text can be written as UTF-8; lone surrogates cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
