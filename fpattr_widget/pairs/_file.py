"""The file format of pairs, which can be read without the model or the original pictures.

A file is in the safetensors format. Its metadata contain ``format``, ``version``, a JSON
document (``pairs``) and a checksum (``sha256``). Its tensors are ``values``
``(row features, column features)`` float32; ``picture_0``, ``picture_1``, …, PNG files of the
rows' pictures and then of the columns'; and if contributions were sampled ``standard_error``,
of the shape of ``values``, and ``error_of_words``, ``(words of the rows, words of the
columns)``, where every feature of a picture counts as a word.

The document has ``rows`` and ``columns``, lists of inputs with their ``weight``, ``kind`` and
tokens or grid, ``about``, the ``ledger`` with its ``terms``, and ``nodes``. Versions 1 and 2 are
of one caption and one ``picture``; in version 2 tokens may be ``unknown``. Version 3 has nothing
of scores that a head makes: since then, the ledger has the sums of their parts, ``match`` has the
part of that name, of the shape of ``values``, and ``read_outs`` in the document are those of each
pair of inputs, with arrays ``read_0_weights``, ``read_0_contributions``, … float64.
"""

import io
import os
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..encoders import shared_name
from ..errors import InputError
from ..files import (
    LARGEST_TENSOR,
    LONGEST_HEADER,
    DamagedError,
    ForeignError,
    Header,
    checked_path,
    digest,
    pack,
    read_header,
    read_tensors,
    writable,
    write_atomically,
)
from ..methods import Groups, Recorded, singles
from ._document import Contents, Document, read_document
from ._read_out_form import ReadOutForm, arrays_of, read_read_outs, shapes_of

FORMAT = "fpattr_widget.pairs"
#: The version that is written, and the newest that can be read.
VERSION = 4

_GREY = (128, 128, 128)
# The most pixels of a picture, and of all pictures of a file; displayed ones have far fewer.
_MOST_PIXELS = 1 << 24
_MOST_PIXELS_IN_ALL = 1 << 26
_MODES = ("RGB", "L")
_PNG_SIZE = struct.Struct(">II")
_ERRORS = ("standard_error", "error_of_words")
_MATCH = "match"


def save_contents(
    contents: Callable[[], Contents], path: str | os.PathLike[str], *, strip_image: bool = False
) -> None:
    """Save pairs to a file; see :meth:`FeaturePairs.save`.

    Parameters
    ----------
    contents
        Computes what is missing, and returns the contents; called after ``path`` is checked.
    path, strip_image
        See :meth:`FeaturePairs.save`.
    """
    writable(path)
    complete = with_grey_pictures(contents()) if strip_image else contents()
    write_atomically(path, pack_contents(complete))


def with_grey_pictures(contents: Contents) -> Contents:
    """Return contents with plain grey instead of pictures that may not be shared."""
    return contents.with_pictures(
        [Image.new("RGB", crop.picture.size, _GREY) for crop in contents.crops]
    )


def pack_contents(contents: Contents) -> bytes:
    """Return the bytes of a file of pairs, which are the same for equal pairs.

    Raises
    ------
    InputError
        When a number is not finite, or a part is too large for the format.
    """
    recorded = contents.recorded
    document = Document(
        contents.rows,
        contents.columns,
        replace(contents.about, model=shared_name(contents.about.model)),
        recorded.ledger(),
        recorded.describe(),
        tuple(map(ReadOutForm.of, recorded.reads)),
    )
    tensors = {**arrays_of(recorded.reads), "values": recorded.values}
    if recorded.match is not None:
        tensors[_MATCH] = recorded.match
    if recorded.sampled:
        for name, groups in zip(_ERRORS, _partitions(document), strict=True):
            tensors[name] = recorded.standard_error(*groups)
    for name, crop in zip(_picture_names(document), contents.crops, strict=True):
        tensors[name] = np.frombuffer(_png(crop.picture), np.uint8)
    try:
        written = document.dump()
        if len(written) > LONGEST_HEADER // 3:
            raise DamagedError("there is too much text")
        metadata = {
            "format": FORMAT,
            "version": str(VERSION),
            "sha256": digest(written, tensors),
            "pairs": written,
        }
        packed = pack(metadata, tensors)
        _read(io.BytesIO(packed), len(packed))  # what is saved can be loaded
    except DamagedError as fault:
        raise InputError(
            "pairs", f"cannot be saved ({fault})", "attribute something simpler"
        ) from None
    return packed


def read_contents(path: str | os.PathLike[str]) -> Contents:
    """Read a file that :meth:`FeaturePairs.save` wrote.

    No model is needed, and none is loaded. Nothing in the
    file is executed, so that files from untrusted sources can be read.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Contents
        The numbers that were saved, bit for bit.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged, was written by another program, or
        by a newer version.
    """
    location = checked_path(path)
    name = repr(os.path.basename(location.rstrip("/" + os.sep)))
    try:
        with open(location, "rb", opener=_without_blocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError("path", f"names {name}, which is no file", "pass a file of pairs")
            return _read(file, status.st_size)
    except FileNotFoundError:
        raise InputError(
            "path", f"names {name}, and there is no such file", "check the path"
        ) from None
    except IsADirectoryError:
        raise InputError("path", f"is the folder {name}", "pass a file of pairs") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        raise InputError(
            "path",
            f"names {name}, which cannot be read ({reason})",
            "pass a file that save() wrote",
        ) from error
    except _NewerError:
        raise InputError(
            "path",
            f"names {name}, which a newer version of fpattr_widget saved",
            "update fpattr_widget",
        ) from None
    except ForeignError:
        raise InputError(
            "path", f"names {name}, which is no file of pairs", "pass one that `pairs.save` wrote"
        ) from None
    except DamagedError as fault:
        raise InputError(
            "path",
            f"names {name}, which is damaged ({fault})",
            "copy it again, or save the pairs again",
        ) from None


class _NewerError(Exception):
    """A file has a newer version than can be read."""


def _without_blocking(name: str, flags: int) -> int:
    # Opening a pipe would otherwise wait for its other end.
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _read(file: BinaryIO, size: int) -> Contents:
    header = read_header(file, size)
    version, written, checksum = _recognise(header)
    document = read_document(written, version)
    names = _picture_names(document, version)
    _check_layout(document, header, names)
    tensors = read_tensors(file, header)
    if digest(written, tensors) != checksum:
        raise DamagedError("its checksum does not match")
    _check_numbers(tensors)
    errors = {
        groups: tensors[name]
        for name, groups in zip(_ERRORS, _partitions(document), strict=True)
        if name in tensors
    }
    recorded = Recorded(
        tensors["values"],
        document.ledger,
        document.nodes,
        None,
        errors,
        tensors.get(_MATCH),
        read_read_outs(document.read_outs, tensors),
    )
    contents = Contents(document.rows, document.columns, document.about, recorded)
    return contents.with_pictures(_pictures([tensors[name].tobytes() for name in names]))


def _partitions(document: Document) -> tuple[tuple[Groups, Groups], tuple[Groups, Groups]]:
    """Return the groups of features whose standard errors a file has: features, and words."""
    rows, columns = document.shape
    words = document.rows.words, document.columns.words
    return (singles(rows), singles(columns)), words


def _picture_names(document: Document, version: int = VERSION) -> list[str]:
    """Return the names of the pictures' arrays."""
    if version < 3:
        return ["picture"]
    return [f"picture_{number}" for number in range(document.pictures)]


def _recognise(header: Header) -> tuple[int, str, str]:
    """Return the version, document and checksum of a file of pairs, or raise."""
    metadata = header.metadata
    if metadata.get("format") != FORMAT:
        raise ForeignError
    version = metadata.get("version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 10 and int(version)):
        raise DamagedError("its version is no whole number")
    if int(version) > VERSION:
        raise _NewerError
    if set(metadata) != {"format", "version", "sha256", "pairs"}:
        raise DamagedError("its header is not in order")
    return int(version), metadata["pairs"], metadata["sha256"]


def _check_layout(document: Document, header: Header, pictures: Sequence[str]) -> None:
    """Raise ``DamagedError`` unless the arrays that the header lists fit the document."""
    entries = header.entries
    shapes: dict[str, tuple[int, ...]] = {"values": document.shape}
    if _MATCH in entries and document.ledger.match is not None:
        shapes[_MATCH] = document.shape
    if _ERRORS[0] in entries:
        shapes |= dict(zip(_ERRORS, (document.shape, document.words), strict=True))
    of_read_outs = shapes_of(document.read_outs)
    if set(entries) != {*shapes, *of_read_outs, *pictures}:
        raise DamagedError("its arrays are not those that belong")
    for dtype, expected in (("F32", shapes), ("F64", of_read_outs)):
        for name, shape in expected.items():
            if entries[name].dtype != dtype or entries[name].shape != shape:
                raise DamagedError(f"its {name} have the wrong shape or type")
    if any(entries[name].dtype != "U8" or len(entries[name].shape) != 1 for name in pictures):
        raise DamagedError("its picture has the wrong shape or type")
    if sum(prod(entries[name].shape) for name in pictures) > LARGEST_TENSOR:
        raise DamagedError("its pictures are too large")


def _check_numbers(tensors: Mapping[str, np.ndarray]) -> None:
    """Raise ``DamagedError`` unless the arrays hold numbers that can be."""
    for name in ("values", _MATCH, *_ERRORS):
        array = tensors.get(name)
        # A standard error is infinite if there are too few samples to estimate it.
        if array is not None and not (array >= 0 if name in _ERRORS else np.isfinite(array)).all():
            raise DamagedError(f"its {name} hold invalid numbers")


def _png(picture: Image.Image) -> bytes:
    """Return a PNG file of a picture's pixels, without its metadata."""
    shown = picture if picture.mode in _MODES else picture.convert("RGB")
    buffer = io.BytesIO()
    Image.frombytes(shown.mode, shown.size, shown.tobytes()).save(buffer, "PNG")
    return buffer.getvalue()


def _pictures(encoded: Sequence[bytes]) -> list[Image.Image]:
    """Return the pictures that untrusted PNG files hold; decode none if they are too large."""
    pixels = [_pixels(data) for data in encoded]
    if not all(0 < number <= _MOST_PIXELS for number in pixels):
        raise DamagedError("its picture is too large")
    if sum(pixels) > _MOST_PIXELS_IN_ALL:
        raise DamagedError("its pictures are too large")
    return [_decoded(data, number) for data, number in zip(encoded, pixels, strict=True)]


def _pixels(data: bytes) -> int:
    """Return how many pixels a PNG file announces, before Pillow, which may warn, opens it."""
    try:
        return prod(_PNG_SIZE.unpack_from(data, 16))
    except struct.error:
        raise DamagedError("its picture cannot be decoded") from None


def _decoded(data: bytes, pixels: int) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            # A file may announce another size in a later chunk.
            if picture.mode not in _MODES or prod(picture.size) != pixels:
                raise DamagedError("its picture is of another kind")
            picture.load()
            return Image.frombytes(picture.mode, picture.size, picture.tobytes())
    except DamagedError:
        raise
    except Exception:  # a decoder may raise anything on damaged data
        raise DamagedError("its picture cannot be decoded") from None
