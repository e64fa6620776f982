"""Arrays in one ``.npz`` file, uncompressed, so that they can be opened without being read.

``numpy.load`` reads such a file too, but reads each array whole. Here an array is mapped into
memory: what is used of it is read, and the system takes back what is not used any more.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ._atomic import written_atomically
from ._container import DamagedError, ForeignError

# Where the numbers of an array begin, a multiple of this many bytes. A header of numpy's is
# such a multiple long.
_ALIGNMENT = 64
# What precedes a file in an archive: its fixed part, with the lengths of two that follow.
_LOCAL = struct.Struct("<4s22xHH")
_LOCAL_LENGTH = 30
# Begins an extra field that nobody else reads, followed by its length.
_PADDING_ID = 0xD935
# The longest header of an array that is read, in bytes.
_LONGEST_HEADER = 4096
# Bytes that are read at once where all are.
_PIECE = 2**22
# Each archive tells one time, so that equal arrays make equal files.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Rows:
    """An array that is written piece by piece, and never whole in memory.

    Attributes
    ----------
    shape
        Of the whole array.
    dtype
        Of its numbers.
    pieces
        Its rows in order, some at a time.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pieces: Iterable[np.ndarray]


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray | Rows]) -> None:
    """Write arrays to an uncompressed ``.npz`` file, wholly or not at all.

    Parameters
    ----------
    path
        The file.
    arrays
        By name.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    with (
        written_atomically(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, array in arrays.items():
            _add(archive, file, f"{name}.npy", array)


def _add(archive: zipfile.ZipFile, file: BinaryIO, name: str, array: np.ndarray | Rows) -> None:
    rows = array if isinstance(array, Rows) else Rows(array.shape, array.dtype, [array])
    header = io.BytesIO()
    description = {
        "descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False,
        "shape": rows.shape,
    }  # fmt: skip
    np.lib.format.write_array_header_1_0(header, description)
    entry = zipfile.ZipInfo(name, _EPOCH)
    # Twenty bytes for lengths above four gigabytes, four of the padding itself.
    begins = file.tell() + _LOCAL_LENGTH + len(name) + 20 + 4
    padding = -begins % _ALIGNMENT
    entry.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
    with archive.open(entry, "w", force_zip64=True) as member:
        member.write(header.getvalue())
        for piece in rows.pieces:
            member.write(np.ascontiguousarray(piece, rows.dtype).reshape(-1).view(np.uint8).data)


def open_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an uncompressed ``.npz`` file, mapped into memory for reading.

    Every byte is read once and compared with the file's own checksums.

    Raises
    ------
    OSError
        When there is no such file.
    ForeignError
        When it is no such file.
    DamagedError
        When it is one, but damaged.
    """
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"PK\3\4":
                raise ForeignError
            return _read(path, file)
    except (zipfile.BadZipFile, EOFError, struct.error, ValueError, OverflowError) as error:
        raise DamagedError("its end is missing or it was changed") from error


def _read(path: Path, file: BinaryIO) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or not entry.filename.endswith(".npy"):
            raise ForeignError
        file.seek(entry.header_offset)
        signature, name_length, extra_length = _LOCAL.unpack(file.read(_LOCAL_LENGTH))
        start = entry.header_offset + _LOCAL_LENGTH + name_length + extra_length
        if signature != b"PK\3\4":
            raise DamagedError("it was changed")
        file.seek(start)
        if _checksum(file, entry.file_size) != entry.CRC:
            raise DamagedError("it was changed")
        file.seek(start)
        arrays[entry.filename.removesuffix(".npy")] = _mapped(path, file, start, entry.file_size)
    return arrays


def _checksum(file: BinaryIO, size: int) -> int:
    total = 0
    while size:
        piece = file.read(min(size, _PIECE))
        if not piece:
            raise DamagedError("its end is missing")
        total = zlib.crc32(piece, total)
        size -= len(piece)
    return total


def _mapped(path: Path, file: BinaryIO, start: int, size: int) -> np.ndarray:
    if np.lib.format.read_magic(file) != (1, 0):
        raise ForeignError
    shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file, _LONGEST_HEADER)
    begins = file.tell()
    if dtype.hasobject or in_columns:
        raise ForeignError
    count = int(np.prod(shape, dtype=np.int64))
    if begins - start + count * dtype.itemsize != size:
        raise DamagedError("its header does not fit its numbers")
    if not count:  # nothing can be mapped
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", begins, shape)
