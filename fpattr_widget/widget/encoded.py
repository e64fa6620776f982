"""The picture as it travels, encoded once for all widgets that show it."""

import hashlib
import io
import weakref
from dataclasses import dataclass

from PIL import Image

_SMALL = 60_000  # bytes up to which a picture travels without loss


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture's file and its media type."""

    data: bytes
    media_type: str


_KNOWN: "weakref.WeakValueDictionary[tuple[object, ...], Encoded]" = weakref.WeakValueDictionary()


def encode(picture: Image.Image) -> Encoded:
    """Encode a picture: losslessly while that is small, else as a good JPEG."""
    key = picture.mode, picture.size, hashlib.sha256(picture.tobytes()).digest()
    known = _KNOWN.get(key)
    if known is None:
        known = _KNOWN[key] = _encode(picture)
    return known


def _encode(picture: Image.Image) -> Encoded:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    if buffer.tell() <= _SMALL:
        return Encoded(buffer.getvalue(), "image/png")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return Encoded(buffer.getvalue(), "image/jpeg")
