"""What users pass where many inputs are asked for: lists, folders, columns, generators."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ._inputs import Prepared
from ._reference import digest_of
from ._text import names_picture

#: Bytes of a key.
KEY_SIZE = 16

# What a data set's column holds where it does not decode its pictures.
_ENCODED = {"bytes", "path"}
_ORIENTATION = 0x0112  # EXIF


@dataclass(frozen=True)
class Item:
    """One of many inputs.

    Attributes
    ----------
    number
        Its place among them, from 0.
    value
        What a tower prepares.
    name
        Shown to the user; see :class:`~fpattr_widget.Embeddings`.
    path
        Of the file that it is; ``None`` where it is no file.
    """

    number: int
    value: Any
    name: str
    path: str | None = None


class Many:
    """Many inputs, gone through once and in order; none is held longer than it is needed.

    Parameters
    ----------
    values
        A list, a column of a data set or another sequence, a generator; of pictures also a
        folder, whose pictures are taken in the order of their names, those in folders below it
        among them.
    tower_name
        Of the tower that they are for.
    argument
        By which the caller knows them, for messages.

    Attributes
    ----------
    count
        How many there are; ``None`` for a generator.

    Raises
    ------
    InputError
        When it is one input and not many, or there is none.
    """

    def __init__(self, values: Any, tower_name: str, argument: str):
        self.tower_name, self.argument = tower_name, argument
        self._folder: str | None = None
        if tower_name == "image" and isinstance(values, str | os.PathLike):
            self._folder = os.fspath(values)
            values = _pictures_below(self._folder, argument)
        _require_many(values, tower_name, argument)
        self._values = tuple(values) if isinstance(values, list) else values
        self.count: int | None = len(values) if hasattr(values, "__len__") else None
        if self.count == 0:
            raise self.empty()

    def empty(self) -> InputError:
        """Return the error that there is none."""
        what = "an empty list" if self.count == 0 else "empty"
        return InputError(self.argument, f"is {what}", f"pass at least one {self.tower_name}")

    def argument_of(self, number: int) -> str:
        """Return what messages call the input with a number, by itself the singular."""
        return self.argument.removesuffix("s") if self.count == 1 else f"{self.argument}[{number}]"

    def __iter__(self) -> Iterator[Item]:
        for number, value in enumerate(self._values):
            yield self._item(number, value)

    def _item(self, number: int, value: Any) -> Item:
        name = f"{self.tower_name} {number + 1}"
        if self._folder is not None:
            path = os.path.join(self._folder, value)
            return Item(number, path, value, path)
        if self.tower_name != "image":
            is_caption = isinstance(value, str) and value.strip()
            return Item(number, value, value if is_caption else name)
        value = _decoded_later(value)
        if isinstance(value, str | os.PathLike):
            path = os.fspath(value)
            return Item(number, value, str(path), str(path))
        return Item(number, value, name)

    def sources(self, known: Sequence[Any], numbers: Sequence[int]) -> Sequence[Any]:
        """Return what some of the inputs can be explained by.

        Parameters
        ----------
        known
            Their paths or captions; ``None`` where it is neither.
        numbers
            Their places among all.

        Returns
        -------
        sequence
            What is not known is looked up in what the user passed when it is asked for, so that
            a column's pictures are decoded one at a time; ``None`` out of a generator.
        """
        can_be_looked_up = isinstance(self._values, Sequence | np.ndarray | Tensor)
        return _Sources(known, numbers, self._values if can_be_looked_up else None)


class _Sources(Sequence[Any]):
    def __init__(self, known: Sequence[Any], numbers: Sequence[int], values: Any):
        self._known, self._numbers, self._values = known, numbers, values

    def __len__(self) -> int:
        return len(self._known)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        known = self._known[place]
        if known is not None or self._values is None:
            return known
        return _decoded_later(self._values[self._numbers[place]])


def key_of(item: Item, folder: Path) -> bytes | None:
    """Return a key that equal inputs share; ``None`` for what cannot be prepared anyway.

    A file is known by its path, its size and when it was changed, so that it need not be read;
    anything else by its content.

    Parameters
    ----------
    item
        The input.
    folder
        From which the paths of files below it are told, so that the whole of it can be moved.
    """
    total = hashlib.blake2b(digest_size=KEY_SIZE)
    value = item.value
    try:
        if item.path is not None:
            status = os.stat(item.path)
            content = [told_path(item.path, folder), status.st_size, status.st_mtime_ns]
        elif isinstance(value, str):
            content = [value]
        elif isinstance(value, Image.Image):
            content = [value.mode, value.size, value.getexif().get(_ORIENTATION)]
            content += [value.info.get("transparency"), value.getpalette(), value.tobytes()]
        elif isinstance(value, bytes | bytearray | memoryview):
            content = [bytes(value)]
        elif isinstance(value, Prepared):
            content = [digest_of(value.inputs)]
        elif isinstance(value, Mapping):
            content = [digest_of({name: torch.as_tensor(part) for name, part in value.items()})]
        elif isinstance(value, Tensor):
            content = [digest_of({"": value})]
        else:
            array = np.ascontiguousarray(value)
            if array.dtype.hasobject:
                return None
            content = [array.dtype.str, array.shape, array.tobytes()]
    except (OSError, ValueError, TypeError, SyntaxError):
        return None
    total.update(f"{'file' if item.path is not None else type(value).__name__}".encode())
    for part in content:
        data = part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogatepass")
        total.update(len(data).to_bytes(8, "little") + data)
    return total.digest()


def told_path(path: str, folder: Path) -> str:
    """Return a path as a file in ``folder`` tells it: from there, if it lies below it."""
    here, place = os.path.abspath(folder), Path(os.path.abspath(path))
    return place.relative_to(here).as_posix() if place.is_relative_to(here) else str(place)


def _pictures_below(folder: str, argument: str) -> list[str]:
    """Return the paths of the pictures in a folder and below it, sorted."""
    if os.path.isfile(folder):
        raise InputError(argument, "is one path", "pass a list of paths or a folder")
    if not os.path.isdir(folder):
        raise InputError(argument, f"names no folder ({folder})", "check the path")
    found = [
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, names in os.walk(folder)
        for name in names
        if names_picture(name) and not name.startswith(".")
    ]
    if not found:
        raise InputError(
            argument, f"names a folder without pictures ({folder})", "pass one that holds some"
        )
    return sorted(found)


def _require_many(values: Any, tower_name: str, argument: str) -> None:
    """Raise ``InputError`` where one input was passed instead of many."""
    kind = ""
    if isinstance(values, str):
        kind = "string"
    elif tower_name == "image":
        if isinstance(values, np.ndarray | Tensor) and values.ndim < 4:
            kind = "array" if isinstance(values, np.ndarray) else "tensor"
        elif isinstance(values, Image.Image):
            kind = "picture"
        elif isinstance(values, bytes | bytearray | memoryview):
            kind = "file's bytes"
    if kind or isinstance(values, Mapping | Prepared):
        one = f"one {kind}" if kind else f"one {type(values).__name__}"
        plural = "strings" if tower_name == "text" else f"{tower_name}s"
        raise InputError(argument, f"is {one}", f"pass a list of {plural}")
    if not hasattr(values, "__iter__") and not hasattr(values, "__getitem__"):
        raise InputError(
            argument,
            f"is a {type(values).__name__}",
            "pass a list, another sequence or a generator",
        )


def _decoded_later(value: Any) -> Any:
    """Return the bytes or the path of a picture that a data set's column has not decoded."""
    if isinstance(value, Mapping) and value and set(value) <= _ENCODED:
        return value.get("bytes") or value.get("path")
    return value
