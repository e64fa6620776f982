"""The picture as it travels, encoded once for all widgets that show it."""

import io
from dataclasses import dataclass

from PIL import Image

from ..pairs import PictureCache

_SMALL = 60_000  # bytes up to which a picture travels without loss


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture's file and its media type."""

    data: bytes
    media_type: str


def encode(picture: Image.Image) -> Encoded:
    """Encode a picture: losslessly while that is small, else as a good JPEG."""
    return _ENCODED.get(picture)


def encode_within(picture: Image.Image, size: int) -> Encoded:
    """Encode a picture in about so many bytes at most, as well as they allow."""
    found = encode(picture)
    for side, quality in ((None, 85), (None, 75), (512, 80), (384, 75), (256, 70)):
        if len(found.data) <= size:
            break
        smaller = picture.copy()
        if side is not None:
            smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
        found = _jpeg(smaller, quality)
    return found


def _encode(picture: Image.Image) -> Encoded:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return (
        Encoded(buffer.getvalue(), "image/png") if buffer.tell() <= _SMALL else _jpeg(picture, 90)
    )


def _jpeg(picture: Image.Image, quality: int) -> Encoded:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Encoded(buffer.getvalue(), "image/jpeg")


_ENCODED = PictureCache(_encode)
