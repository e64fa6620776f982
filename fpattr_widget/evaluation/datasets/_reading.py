"""What the readers share: files may be missing, and anything may stand in them."""

import json
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from .._dataset import Box, Dataset, Phrase, Problem, Sample

_LONGEST_QUOTE = 40  # characters of a file's content in a message


class UnusableError(Exception):
    """A part of a file cannot be used; the message says why, in a few words."""


class Problems:
    """Collects what could not be read.

    Attributes
    ----------
    found
        In the order in which it was met.
    """

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, file: str, place: str, message: str) -> None:
        # A file system may hold names that are no text.
        named = file.encode("utf-8", "backslashreplace").decode()
        self.found.append(Problem(named, place, message))

    @contextmanager
    def noted(self, file: str, place: str) -> Iterator[None]:
        """Note an :class:`UnusableError` that is raised inside, and go on."""
        try:
            yield
        except UnusableError as error:
            self.add(file, place, str(error))


def quoted(value: object) -> str:
    """Return a value as a message can show it: in quotes, short, on one line."""
    said = ascii(value) if isinstance(value, str) and not _encodable(value) else repr(value)
    return said if len(said) <= _LONGEST_QUOTE else f"{said[: _LONGEST_QUOTE - 1]}…"


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_path(value: Any, argument: str) -> Path:
    """Return an argument as a path.

    Raises
    ------
    InputError
        When it is none.
    """
    named = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(named, str):
        raise InputError(f"`{argument}` is a {type(named).__name__}: pass a path.")
    if not named or "\0" in named:
        raise InputError(f"`{argument}` is {quoted(named)}, which names nothing: pass a path.")
    return Path(named)


def as_folder(value: Any, argument: str) -> Path:
    """Return an argument as the path of a folder that exists.

    Raises
    ------
    InputError
        When it is none.
    """
    path = as_path(value, argument)
    if not path.is_dir():
        raise InputError(f"`{argument}` names no folder: there is none at {path}.")
    return path


def read_text(path: Path) -> str:
    """Return a file's text.

    Bytes that are not UTF-8 become lone surrogates, which :func:`as_text`
    refuses, so that one wrong name does not cost the file.

    Raises
    ------
    UnusableError
        When it cannot be opened, or is UTF-16.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnusableError(f"cannot be opened ({error.strerror})") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnusableError("is not UTF-8 but UTF-16")
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def read_argument(value: Any, argument: str) -> tuple[Path, str]:
    """Return the path and the text of a file that is nothing without its content.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    path = as_path(value, argument)
    try:
        return path, read_text(path)
    except UnusableError as error:
        raise InputError(f"`{argument}` cannot be read: {path} {error}.") from error


def parse_json(text: str) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    UnusableError
        When it is none; the message says at which line and column.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        said = f"is no JSON ({error.msg}, line {error.lineno}, column {error.colno})"
        raise UnusableError(said) from error
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep
        raise UnusableError("is no JSON that can be read") from error


def as_text(value: Any, what: str) -> str:
    """Return ``value`` if it is a text with something in it, else raise :class:`UnusableError`."""
    if not isinstance(value, str):
        raise UnusableError(f"{what} is missing or no text")
    if not value.strip():
        raise UnusableError(f"{what} is empty")
    if not _encodable(value):
        raise UnusableError(f"{what} {quoted(value)} is not UTF-8 text")
    return value


def as_number(value: Any, what: str) -> float:
    """Return ``value`` as a finite number, else raise :class:`UnusableError`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableError(f"{what} is missing or no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnusableError(f"{what} is not finite")
    return number


def as_numbers(value: Any, what: str, names: Sequence[str]) -> list[float]:
    """Return a list of as many finite numbers as it has names."""
    if not isinstance(value, list) or len(value) != len(names):
        raise UnusableError(f"{what} is no list [{', '.join(names)}]")
    return [as_number(part, f"{what}: {name}") for part, name in zip(value, names, strict=True)]


def as_side(value: Any, what: str) -> float:
    """Return the length of an image's side, above 0."""
    length = as_number(value, what)
    if length <= 0:
        raise UnusableError(f"{what} is not above 0")
    return length


def as_box(edges: Sequence[float], width: float = 1, height: float = 1) -> Box:
    """Return a box as fractions of an image's sides, cut off where the image ends.

    Parameters
    ----------
    edges
        Left, top, right and bottom, in the unit of the sides; finite.
    width, height
        The image's.

    Raises
    ------
    UnusableError
        When the box has no area, or none of it lies in the image.
    """
    left, top, right, bottom = edges
    if not (left < right and top < bottom):
        raise UnusableError("the box has no area")
    left, right = (min(max(edge / width, 0.0), 1.0) for edge in (left, right))
    top, bottom = (min(max(edge / height, 0.0), 1.0) for edge in (top, bottom))
    if not (left < right and top < bottom):
        raise UnusableError("the box lies outside the image")
    return left, top, right, bottom


def as_count(value: Any, argument: str, least: int = 1) -> int:
    """Return a whole number.

    Raises
    ------
    InputError
        When it is none, or below ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"`{argument}` is {quoted(value)}: pass a whole number from {least}.")
    return int(value)


class ImageFolder:
    """Finds files by name; each folder is listed once.

    Parameters
    ----------
    folder
        Where relative names start.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._listed: dict[Path, frozenset[str]] = {}

    def find(self, name: str) -> Path:
        """Return the path of a file.

        Raises
        ------
        UnusableError
            When there is none of this name.
        """
        path = self.folder / name
        parent = path.parent
        if parent not in self._listed:
            try:
                with os.scandir(parent) as entries:
                    self._listed[parent] = frozenset(e.name for e in entries if not e.is_dir())
            except (OSError, ValueError):
                self._listed[parent] = frozenset()
        if path.name not in self._listed[parent]:
            raise UnusableError(f"there is no image {quoted(name)}")
        return path

    def find_inside(self, name: str) -> Path:
        """Return the path of a file that lies in the folder or below it; see :meth:`find`.

        An absolute name may lie there, too.
        """
        inside = Path(os.path.abspath(self.folder))
        if ".." in Path(name).parts or not (inside / name).is_relative_to(inside):
            raise UnusableError(f"the image {quoted(name)} lies outside the folder")
        return self.find(name)


def phrases(boxes: dict[tuple[int, int, str], list[Box]]) -> tuple[Phrase, ...]:
    """Return phrases in the order of the caption, each box once.

    Parameters
    ----------
    boxes
        By start, stop and label; what has no boxes is left out.
    """
    return tuple(
        Phrase(start, stop, label, tuple(dict.fromkeys(found)))
        for (start, stop, label), found in sorted(boxes.items())
        if found
    )


def finished(
    name: str, samples: Iterable[Sample], problems: Problems, argument: str, file: str
) -> Dataset:
    """Return a data set, and warn when it has problems.

    Parameters
    ----------
    name, samples, problems
        See :class:`Dataset`; of samples with the same name the first stays.
    argument, file
        What the samples were read from.

    Raises
    ------
    InputError
        When there are no samples.
    """
    kept: dict[str, Sample] = {}
    for sample in samples:
        if sample.name in kept:
            problems.add(file, "", f"two samples have the name {quoted(sample.name)}")
        else:
            kept[sample.name] = sample
    found = problems.found
    if not kept:
        why = f"the first problem of {len(found)} is {found[0]}" if found else "nothing is in it"
        raise InputError(f"`{argument}` gives no samples: {why}.")
    if found:
        count = f"{len(found)} problems" if len(found) > 1 else "a problem"
        warnings.warn(
            f"The data set {name!r} has {count}, listed in its `problems`; the first: {found[0]}.",
            stacklevel=3,
        )
    return Dataset(name, kept.values(), found)
