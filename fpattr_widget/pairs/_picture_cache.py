"""A cache of objects made from pictures, such as encoded files, by their pixels."""

import hashlib
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from PIL import Image

Made = TypeVar("Made")


class PictureCache(Generic[Made]):
    """A weak cache: an entry lives for as long as it is referenced elsewhere.

    Parameters
    ----------
    make
        Returns the object for a picture that is not cached.
    """

    def __init__(self, make: Callable[[Image.Image], Made]):
        self._make = make
        self._cached: weakref.WeakValueDictionary[tuple[object, ...], Made] = (
            weakref.WeakValueDictionary()
        )

    def get(self, picture: Image.Image) -> Made:
        """Return the object for a picture's pixels; make it if it is not cached."""
        key = picture.mode, picture.size, hashlib.sha256(picture.tobytes()).digest()
        cached = self._cached.get(key)
        if cached is None:
            cached = self._cached.setdefault(key, self._make(picture))
        return cached
