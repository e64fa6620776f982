"""The file format of pairs, which can be read without the model or the original image.

A file is in the safetensors format. Its metadata contain ``format``,
``version``, a JSON document (``pairs``) and a checksum (``sha256``). Its
tensors are ``values`` (tokens, special positions + patches) float32,
``picture``, a PNG file, and if contributions were sampled
``standard_error``, and ``error_of_words`` for rows that are summed over words.
"""

import io
import os
import stat
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..encoders import Crop, Sentence, Side, shared_name
from ..errors import InputError
from ..files import (
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
from ..methods import Recorded, singles
from ._document import Contents, Document, read_document, word_groups

FORMAT = "fpattr_widget.pairs"
#: The newest version that can be read; a file is written in the oldest that can hold it.
VERSION = 2

_GREY = (128, 128, 128)
#: The most pixels of a picture; displayed ones have far fewer.
_MOST_PIXELS = 1 << 24
_MODES = ("RGB", "L")
_PNG_SIZE = struct.Struct(">II")
_ERRORS = ("standard_error", "error_of_words")


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
    complete = with_grey_picture(contents()) if strip_image else contents()
    write_atomically(path, pack_contents(complete))


def with_grey_picture(contents: Contents) -> Contents:
    """Return contents with plain grey instead of a picture that may not be shared."""
    crop = contents.crop
    grey = Image.new("RGB", crop.picture.size, _GREY)
    return replace(contents, columns=Side((replace(crop, picture=grey),)))


def pack_contents(contents: Contents) -> bytes:
    """Return the bytes of a file of pairs, which are the same for equal pairs.

    Raises
    ------
    InputError
        When a number is not finite, or a part is too large for the format.
    """
    sentence, crop, recorded = contents.sentence, contents.crop, contents.recorded
    rows, columns = crop.grid
    document = Document(
        sentence.caption,
        sentence.tokens,
        (int(rows), int(columns)),
        crop.special,
        replace(contents.about, model=shared_name(contents.about.model)),
        recorded.ledger(),
        recorded.describe(),
    )
    picture = crop.picture
    if picture.mode not in _MODES:
        picture = picture.convert("RGB")
    tensors = {"values": recorded.values}
    if recorded.sampled:
        partitions = singles(len(sentence.tokens)), word_groups(sentence.tokens)
        for name, groups in zip(_ERRORS, partitions, strict=True):
            tensors[name] = recorded.standard_error(groups)
    tensors["picture"] = np.frombuffer(_png(picture), np.uint8)
    try:
        written = document.dump()
        _check(read_document(written), tensors)
        _check_picture(picture)
        if len(written) > LONGEST_HEADER // 3:
            raise DamagedError("there is too much text")
    except DamagedError as fault:
        raise InputError(
            "pairs", f"cannot be saved ({fault})", "attribute something simpler"
        ) from None
    metadata = {
        "format": FORMAT,
        "version": str(document.version),
        "sha256": digest(written, tensors),
        "pairs": written,
    }
    return pack(metadata, tensors)


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
    written, checksum = _recognise(header)
    document = read_document(written)
    tensors = read_tensors(file, header)
    if digest(written, tensors) != checksum:
        raise DamagedError("its checksum does not match")
    _check(document, tensors)
    partitions = singles(len(document.tokens)), word_groups(document.tokens)
    errors = {
        groups: tensors[name]
        for name, groups in zip(_ERRORS, partitions, strict=True)
        if name in tensors
    }
    picture = _decoded(tensors["picture"].tobytes())
    return Contents(
        Side((Sentence(document.caption, document.tokens),)),
        Side((Crop(picture, document.grid, document.image_special),)),
        document.about,
        Recorded(tensors["values"], document.ledger, document.nodes, None, errors),
    )


def _recognise(header: Header) -> tuple[str, str]:
    """Return the document and the checksum of a file of pairs, or raise."""
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
    return metadata["pairs"], metadata["sha256"]


def _check(document: Document, tensors: dict[str, np.ndarray]) -> None:
    """Raise ``DamagedError`` unless the arrays fit the document."""
    sampled = "standard_error" in tensors
    if set(tensors) != {"values", "picture", *(_ERRORS if sampled else ())}:
        raise DamagedError("its arrays are not those that belong")
    if not document.tokens:
        raise DamagedError("it has no tokens")
    lines = {"values": len(document.tokens), _ERRORS[0]: len(document.tokens)}
    lines[_ERRORS[1]] = document.words
    for name, count in lines.items():
        array = tensors.get(name)
        if array is None:
            continue
        if array.dtype != np.float32 or array.shape != (count, document.features):
            raise DamagedError(f"its {name} have the wrong shape or type")
        # A standard error is infinite if there are too few samples to estimate it.
        if not (np.isfinite(array) if name == "values" else array >= 0).all():
            raise DamagedError(f"its {name} hold invalid numbers")
    if tensors["picture"].dtype != np.uint8 or tensors["picture"].ndim != 1:
        raise DamagedError("its picture has the wrong shape or type")


def _check_picture(picture: Image.Image) -> None:
    if picture.mode not in _MODES:
        raise DamagedError("its picture is of another kind")
    _check_size(*picture.size)


def _check_size(width: int, height: int) -> None:
    if not 0 < width * height <= _MOST_PIXELS:
        raise DamagedError("its picture is too large")


def _png(picture: Image.Image) -> bytes:
    """Return a PNG file of a picture's pixels, without its metadata."""
    buffer = io.BytesIO()
    Image.frombytes(picture.mode, picture.size, picture.tobytes()).save(buffer, "PNG")
    return buffer.getvalue()


def _decoded(data: bytes) -> Image.Image:
    try:
        # Before Pillow opens it, which would warn of a large one.
        _check_size(*_PNG_SIZE.unpack_from(data, 16))
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            _check_picture(picture)
            picture.load()
            return Image.frombytes(picture.mode, picture.size, picture.tobytes())
    except DamagedError:
        raise
    except Exception:  # a decoder may raise anything on damaged data
        raise DamagedError("its picture cannot be decoded") from None
