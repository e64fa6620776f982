"""The safetensors layout: eight bytes of length, a JSON header, the tensors.

The library's own writer puts metadata in random order; this one gives the same
file for the same content. The reader checks the header before it reads
anything else, so that gigabytes of foreign data are refused unread.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np

_LENGTH = struct.Struct("<Q")
_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "U8": np.dtype("u1"),
}
_METADATA = "__metadata__"

#: Bound of the header, in bytes.
LONGEST_HEADER = 1 << 22

#: Bound of one tensor, in bytes.
LARGEST_TENSOR = 1 << 28


class DamagedError(Exception):
    """Something is wrong with a file; the message completes "which is damaged (…)"."""


class ForeignError(Exception):
    """A file is in another format."""


@dataclass(frozen=True)
class Entry:
    """A tensor as the header describes it.

    Attributes
    ----------
    dtype
        As safetensors spells it.
    shape
        Its axes.
    start, stop
        Its bytes, counted from the end of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Header:
    """A checked header; the metadata may hold any text."""

    metadata: dict[str, str]
    entries: dict[str, Entry]


def pack(metadata: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return a file's bytes; tensors are float64, float32 or uint8, in that order."""
    header: dict[str, object] = {_METADATA: dict(metadata)}
    parts: list[bytes] = []
    position = 0
    for name, array in tensors.items():
        code = _code(array)
        part = np.ascontiguousarray(array, _DTYPES[code]).tobytes()
        offsets = [position, position + len(part)]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
        parts.append(part)
        position += len(part)
    written = json.dumps(header, separators=(",", ":")).encode("ascii")
    written += b" " * (-len(written) % 8)
    return b"".join([_LENGTH.pack(len(written)), written, *parts])


def digest(document: str, tensors: Mapping[str, np.ndarray]) -> str:
    """Return a checksum of all content; it detects accidents, not forgeries."""
    total = hashlib.sha256(document.encode("utf-8", "surrogatepass"))
    for name, array in sorted(tensors.items()):
        code = _code(array)
        total.update(f"\n{name} {code} {list(array.shape)}\n".encode())
        total.update(np.ascontiguousarray(array, _DTYPES[code]).tobytes())
    return total.hexdigest()


def read_header(file: BinaryIO, size: int) -> Header:
    """Read and check the header of a file of ``size`` bytes.

    Raises
    ------
    ForeignError
        When it is no safetensors file.
    DamagedError
        When it is one, but damaged.
    """
    first = file.read(_LENGTH.size)
    if not first:
        raise DamagedError("it is empty")
    if len(first) < _LENGTH.size:
        raise ForeignError
    (length,) = _LENGTH.unpack(first)
    if length > LONGEST_HEADER:
        raise ForeignError
    written = file.read(length)
    if not written.startswith(b"{"):
        raise ForeignError
    if len(written) < length:
        raise DamagedError("its end is missing")
    header = parse_json(written)
    if not isinstance(header, dict):
        raise ForeignError
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise DamagedError("its header is not in order")
    entries = {name: _entry(value) for name, value in header.items()}
    position = 0
    for entry in sorted(entries.values(), key=lambda entry: (entry.start, entry.stop)):
        if entry.start != position:
            raise DamagedError("its header is not in order")
        position = entry.stop
    present = size - _LENGTH.size - length
    if present != position:
        fault = "its end is missing" if present < position else "it has more than belongs"
        raise DamagedError(fault)
    return Header(metadata, entries)


def read_tensors(file: BinaryIO, header: Header) -> dict[str, np.ndarray]:
    """Read the tensors that follow the header, each of known dtype and bounded size.

    Raises
    ------
    DamagedError
        When one is of another dtype, too large, or cut off.
    """
    tensors: dict[str, np.ndarray] = {}
    for name, entry in sorted(header.entries.items(), key=lambda item: item[1].start):
        dtype, size = _DTYPES.get(entry.dtype), entry.stop - entry.start
        # Python's integers are unbounded, so that this product cannot overflow.
        if dtype is None or prod(entry.shape) * dtype.itemsize != size:
            raise DamagedError("its header is not in order")
        if size > LARGEST_TENSOR:
            raise DamagedError("it holds more than pairs can")
        data = file.read(size)
        if len(data) < size:
            raise DamagedError("its end is missing")
        native = dtype.newbyteorder("=")
        tensors[name] = np.frombuffer(data, dtype).reshape(entry.shape).astype(native)
    return tensors


def parse_json(written: bytes) -> Any:
    """Parse JSON of unknown origin.

    Raises
    ------
    DamagedError
        When it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(written.decode("utf-8"))
    except (ValueError, RecursionError):
        raise DamagedError("its header cannot be read") from None


def _entry(value: Any) -> Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise DamagedError("its header is not in order")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    numbers = isinstance(dtype, str) and _are_counts(shape) and _are_counts(offsets)
    if not numbers or len(shape) > 8 or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise DamagedError("its header is not in order")
    return Entry(dtype, tuple(shape), offsets[0], offsets[1])


def _are_counts(values: Any) -> bool:
    """Return whether these are whole numbers from zero on."""
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _code(array: np.ndarray) -> str:
    return next(code for code, dtype in _DTYPES.items() if array.dtype == dtype)
