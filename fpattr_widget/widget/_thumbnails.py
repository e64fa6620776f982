"""Small pictures for a gallery, each made once and when it is first seen."""

import io
from collections.abc import Callable

from PIL import Image

#: A tile is half as wide in CSS pixels: screens have up to two pixels for each.
LONGEST = 240
_MOST_BYTES = 8_000  # as much of a thumbnail travels, and is saved with a notebook
_QUALITIES = (78, 65, 50, 35)

#: Returns a picture, or raises where it cannot be read.
PictureSource = Callable[[], Image.Image]


class Thumbnails:
    """Thumbnails of pictures by what returns them; a picture is read once, whoever shows it."""

    def __init__(self) -> None:
        self._made: dict[PictureSource, bytes | None] = {}

    def get(self, picture: PictureSource) -> bytes | None:
        """Return a picture's thumbnail as a JPEG; ``None`` where it cannot be read."""
        if picture not in self._made:
            try:
                self._made[picture] = thumbnail(picture())
            except Exception:  # files are gone, damaged, or not ours to read
                self._made[picture] = None
        return self._made[picture]


def thumbnail(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG of at most 240 pixels along a side and about 8 kB."""
    small = picture.convert("RGB")
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _MOST_BYTES:
            break
    return buffer.getvalue()
