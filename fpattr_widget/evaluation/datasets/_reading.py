"""Tolerant parsing of untrusted files, shared by all readers."""

import csv
import io
import json
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...checks import as_path, encodable, quoted
from ...encoders import open_image
from ...errors import InputError, Problem
from .._dataset import Box, Dataset, Phrase, Sample
from .._foil import Foil

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # EXIF: stored on their side


class UnusableError(Exception):
    """A part of a file cannot be used; the message is a clause that says why."""


class ProblemLog:
    """Collects problems while a reader goes on.

    Attributes
    ----------
    problems
        In the order in which they were met.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, file: str, place: str, message: str) -> None:
        # A file's name may hold bytes that are not text.
        printable = file.encode("utf-8", "backslashreplace").decode()
        self.problems.append(Problem(printable, place, message))

    @contextmanager
    def catching(self, file: str, place: str) -> Iterator[None]:
        """Add an :class:`UnusableError` that is raised inside, and go on after it."""
        try:
            yield
        except UnusableError as error:
            self.add(file, place, str(error))


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
    """Return the path and the text of a file that an argument names.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    path = as_path(value, argument)
    try:
        return path, read_text(path)
    except UnusableError as error:
        raise InputError(argument, f"cannot be read ({path} {error})", "check the path") from error


def csv_lines(
    path: Path, text: str, argument: str, needed: Sequence[str], log: ProblemLog
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each line of a CSV file that is not blank: its place, and its columns by name.

    Parameters
    ----------
    path, text
        Of the file, whose first line names the columns.
    argument
        Which argument names the file.
    needed
        Columns that have to be there; names of columns are read in lower case.
    log
        Takes lines that cannot be read.

    Raises
    ------
    InputError
        When the first line cannot be read, or lacks a column.
    """
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(rows, [])]
    except csv.Error as error:
        raise InputError(
            argument, f"cannot be read: line 1 of {path} is no CSV ({error})", "mend the line"
        ) from error
    missing = [name for name in needed if name not in header]
    if missing:
        raise InputError(
            argument,
            f"has no column {missing[0]!r}",
            f"name {', '.join(needed)} in the first line, separated by commas",
        )
    while True:
        place = f"line {rows.line_num + 1}"
        try:
            row = next(rows, None)
        except csv.Error as error:
            log.add(path.name, place, f"is no CSV ({error})")
            continue
        if row is None:
            return
        if not any(part.strip() for part in row):
            continue
        if len(row) == len(header):
            yield place, dict(zip(header, row, strict=True))
        else:
            log.add(path.name, place, f"has {len(row)} columns in place of {len(header)}")


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    UnusableError
        When it is not JSON; the message names line and column.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnusableError(
            f"is no JSON ({error.msg}, line {error.lineno}, column {error.colno})"
        ) from error
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep
        raise UnusableError("is no JSON that can be read") from error


def read_json(value: Any, argument: str) -> tuple[Path, Any]:
    """Return the path and the value of a JSON file that an argument names.

    Raises
    ------
    InputError
        When it cannot be read, or is not JSON.
    """
    path, text = read_argument(value, argument)
    try:
        return path, parse_json(text)
    except UnusableError as error:
        raise InputError(argument, f"cannot be read ({path} {error})", "check the path") from error


def as_object(value: Any, what: str = "") -> dict[str, Any]:
    """Return ``value`` if it is a JSON object, else raise :class:`UnusableError`."""
    if not isinstance(value, dict):
        raise UnusableError(f"{what} is no object".strip())
    return value


def as_text(value: Any, what: str) -> str:
    """Return ``value`` if it is a text that is not blank, else raise :class:`UnusableError`."""
    if not isinstance(value, str):
        raise UnusableError(f"{what} is missing or no text")
    if not value.strip():
        raise UnusableError(f"{what} is empty")
    if not encodable(value):
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
    """Return a list of one finite number for each name, else raise :class:`UnusableError`."""
    if not isinstance(value, list) or len(value) != len(names):
        raise UnusableError(f"{what} is no list [{', '.join(names)}]")
    return [as_number(part, f"{what}: {name}") for part, name in zip(value, names, strict=True)]


def as_side(value: Any, what: str) -> float:
    """Return the length of an image's side, above 0, else raise :class:`UnusableError`."""
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


def place_of(caption: str, words: str) -> tuple[int, int] | None:
    """Return where words first stand in a caption, as whole words if they do; else ``None``."""
    whole = rf"(?<!\w){re.escape(words)}(?!\w)"
    # The last is for languages that put no spaces between words.
    for pattern, flags in ((whole, 0), (whole, re.IGNORECASE), (re.escape(words), 0)):
        if match := re.search(pattern, caption, flags):
            return match.span()
    return None


def upright_size(path: Path) -> tuple[int, int]:
    """Return width and height as a viewer shows the image; reads only the header."""
    try:
        with open_image(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
    except Exception as error:  # Pillow's readers fail in many ways
        raise UnusableError(f"the image {quoted(path.name)} cannot be opened") from error
    return (height, width) if turned else (width, height)


class SizedImages:
    """Finds images by name, and reads the size of each once.

    Parameters
    ----------
    folder
        The folder that names refer to.
    """

    def __init__(self, folder: Path):
        self._folder = ImageFolder(folder)
        self._found: dict[str, tuple[Path, int, int]] = {}

    def find(self, name: str) -> tuple[Path, int, int]:
        """Return an image's path, width and height, else raise :class:`UnusableError`."""
        if name not in self._found:
            path = self._folder.find_inside(name)
            self._found[name] = (path, *upright_size(path))
        return self._found[name]


class ImageFolder:
    """Finds files by name; lists each folder only once.

    Parameters
    ----------
    folder
        The folder that relative names refer to.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._listed: dict[Path, frozenset[str]] = {}

    def find(self, name: str) -> Path:
        """Return the path of a file.

        Raises
        ------
        UnusableError
            When there is no file of this name.
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
        """Return the path of a file in the folder or below it; see :meth:`find`.

        Absolute names are accepted if they lie there; all others raise.
        """
        inside = Path(os.path.abspath(self.folder))
        if ".." in Path(name).parts or not (inside / name).is_relative_to(inside):
            raise UnusableError(f"the image {quoted(name)} lies outside the folder")
        return self.find(name)


def as_foil(caption: str, foil: str, source: Any = None, kind: str = "") -> Foil:
    """Return the foil of a caption, else raise :class:`UnusableError` if both are the same."""
    if caption == foil:
        raise UnusableError("the two captions are the same")
    return Foil(foil, source, kind)


def phrases(boxes: dict[tuple[int, int, str], list[Box]]) -> tuple[Phrase, ...]:
    """Return phrases in the order of the caption, each box once.

    Parameters
    ----------
    boxes
        By start, stop and label; phrases without boxes are left out.
    """
    return tuple(
        Phrase(start, stop, label, tuple(dict.fromkeys(own)))
        for (start, stop, label), own in sorted(boxes.items())
        if own
    )


def finished(
    name: str, samples: Iterable[Sample], log: ProblemLog, argument: str, file: str
) -> Dataset:
    """Return the data set, and warn when parts of its files could not be read.

    Parameters
    ----------
    name, samples
        See :class:`Dataset`; of samples with the same name the first is kept.
    log
        Problems so far.
    argument, file
        The argument and the file that the samples were read from.

    Raises
    ------
    InputError
        When there are no samples.
    """
    kept: dict[str, Sample] = {}
    for sample in samples:
        if sample.name in kept:
            log.add(file, "", f"two samples have the name {quoted(sample.name)}")
        else:
            kept[sample.name] = sample
    tell(name, kept, log, argument)
    return Dataset(name, kept.values(), log.problems)


def tell(name: str, found: Sized, log: ProblemLog, argument: str, of: str = "samples") -> None:
    """Warn when parts of a data set's files could not be read.

    Parameters
    ----------
    name
        Of the data set.
    found, of
        What was read, and what that is.
    log, argument
        See :func:`finished`.

    Raises
    ------
    InputError
        When nothing was found.
    """
    problems = log.problems
    if not found:
        reason = "nothing is in it"
        if problems:
            reason = f"the first problem of {len(problems)} is {problems[0]}"
        raise InputError(argument, f"gives no {of} ({reason})", "pass one that holds some")
    if problems:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        warnings.warn(
            f"The data set {name!r} has {count}, listed in its `problems`; "
            f"the first: {problems[0]}.",
            stacklevel=4,
        )
