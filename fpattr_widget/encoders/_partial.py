"""``Partial``: embeddings kept as they arrive, so that an interrupted run loses none.

The file lies beside the store that is to be made. A line of JSON tells what it is for; then
come frames, each with a checksum. What a killed process left of a last frame is cut off.
"""

import json
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ._sources import KEY_SIZE

# What begins a frame: a mark, rows, numbers in each, checksum of all that follows.
_FRAME = struct.Struct("<8sQQI36x")
_MARK = b"vectors\n"
# Keys and vectors begin at multiples of this many bytes.
_ALIGNMENT = 64


class Partial:
    """A file of embeddings by key, to which is only added.

    Parameters
    ----------
    path
        The file; it exists, and is locked.
    about
        What it is for, as plain JSON.
    argument, name
        Of the store, for messages.

    Attributes
    ----------
    rows
        The number of each row by its key.

    Raises
    ------
    InputError
        When it was begun for something else, or cannot be read or written.
    """

    def __init__(self, path: Path, about: dict[str, Any], argument: str, name: str):
        self._path, self._argument, self._name = path, argument, name
        self.rows: dict[bytes, int] = {}
        self._frames: list[tuple[int, int, int]] = []  # offset, rows, numbers in each
        self._count = self._end = 0
        try:
            self._open(json.dumps(about).encode("ascii"))
        except OSError as error:
            raise self._not_written(error) from error

    def add(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Append rows ``(n, K)`` float32, with the ``K`` of all before.

        Raises
        ------
        InputError
            When they cannot be written.
        """
        count, width = vectors.shape
        content = _padded(b"".join(keys)) + _padded(np.ascontiguousarray(vectors).tobytes())
        frame = _FRAME.pack(_MARK, count, width, zlib.crc32(content))
        try:
            with open(self._path, "r+b") as file:
                file.seek(self._end)  # over what an interrupt left of a frame
                file.truncate()
                file.write(frame + content)
        except OSError as error:
            raise self._not_written(error) from error
        self._note(self._end, count, width, keys)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return rows by their numbers, ``(m, K)``."""
        ends = np.cumsum([count for _, count, _ in self._frames])
        frames = np.searchsorted(ends, rows, side="right")
        found = np.empty((len(rows), self._frames[0][2]), np.float32)
        for number in np.unique(frames):
            here = frames == number
            found[here] = self._vectors(number)[rows[here] - (ends[number - 1] if number else 0)]
        return found

    @property
    def width(self) -> int | None:
        """Numbers in each row; ``None`` where there is none."""
        return self._frames[0][2] if self._frames else None

    def remove(self) -> None:
        """Delete the file; what cannot be deleted here is left empty."""
        try:
            self._path.unlink()
        except OSError:  # it is open, which Windows does not allow
            os.truncate(self._path, 0)

    def _vectors(self, number: int) -> np.ndarray:
        offset, count, width = self._frames[number]
        start = offset + _FRAME.size + _up(KEY_SIZE * count)
        return np.memmap(self._path, np.float32, "r", start, (count, width))

    def _note(self, start: int, count: int, width: int, keys: Sequence[bytes]) -> None:
        self._frames.append((start, count, width))
        self.rows.update((key, self._count + place) for place, key in enumerate(keys))
        self._count += count
        self._end = start + _FRAME.size + _up(KEY_SIZE * count) + _up(4 * count * width)

    def _open(self, about: bytes) -> None:
        with open(self._path, "r+b") as file:
            first = file.readline()
            if not first.endswith(b"\n"):  # new, or cut off as it was begun
                file.seek(0)
                file.truncate()
                file.write(about + b" " * (-(len(about) + 1) % _ALIGNMENT) + b"\n")
                self._end = file.tell()
                return
            self._end = len(first)
            if first.strip() != about:
                raise InputError(
                    self._argument,
                    f"names {self._name!r}, which was begun with another model, and is not done",
                    f"name another file, or delete {self._path.name!r}",
                )
            size = os.fstat(file.fileno()).st_size
            while (start := file.tell()) < size:
                if not self._read_frame(file, start):
                    file.truncate(start)
                    return

    def _read_frame(self, file: Any, start: int) -> bool:
        """Read a frame and return whether it is whole."""
        header = file.read(_FRAME.size)
        if len(header) < _FRAME.size:
            return False
        mark, count, width, checksum = _FRAME.unpack(header)
        if mark != _MARK or count * width > 2**40:
            return False
        content = file.read(_up(KEY_SIZE * count) + _up(4 * count * width))
        if zlib.crc32(content) != checksum:
            return False
        keys = [content[KEY_SIZE * row : KEY_SIZE * (row + 1)] for row in range(count)]
        self._note(start, count, width, keys)
        return True

    def _not_written(self, error: OSError) -> InputError:
        return InputError(
            self._argument,
            f"cannot be written ({error.strerror})",
            "make room, and call again to go on",
        )


def _up(size: int) -> int:
    return size + -size % _ALIGNMENT


def _padded(content: bytes) -> bytes:
    return content + bytes(_up(len(content)) - len(content))
