"""What was made of a picture, cached by its pixels for as long as somebody uses it."""

import hashlib
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from PIL import Image

Made = TypeVar("Made")


class PictureCache(Generic[Made]):
    """A weak cache: an entry lives for as long as somebody else holds it.

    Parameters
    ----------
    make
        Called with a picture that is not cached.
    """

    def __init__(self, make: Callable[[Image.Image], Made]):
        self._make = make
        self._cached: weakref.WeakValueDictionary[tuple[object, ...], Made] = (
            weakref.WeakValueDictionary()
        )

    def get(self, picture: Image.Image) -> Made:
        """Return what was made of a picture with these pixels, or make it."""
        key = picture.mode, picture.size, hashlib.sha256(picture.tobytes()).digest()
        cached = self._cached.get(key)
        if cached is None:
            cached = self._cached.setdefault(key, self._make(picture))
        return cached
