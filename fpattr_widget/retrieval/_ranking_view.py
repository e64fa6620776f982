"""The gallery that shows a ranking."""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from ..encoders import Crop, DualEncoder, open_image, read_image
from ..widget import Gallery, GalleryItem, Shelf
from ._ranked_item import RankedItem

#: A notebook has to hold each item that is shown, and a page its picture, about 10 kB.
MOST_SHOWN, MOST_ON_PAGE = 1000, 500
_DRAFT = (480, 480)  # pixels that a JPEG is decoded to at least, of which a thumbnail is made
_HINT = "Choose an item to see what its score is made of."


def ranking_gallery(
    title: str, encoder: DualEncoder, items: Sequence[RankedItem], tower_name: str, theme: str
) -> Gallery:
    """Return a gallery of ranked pictures or captions, with nothing chosen."""
    shelf = Shelf(title, gallery_items(encoder, items, tower_name))
    return Gallery([shelf], hint=_HINT, theme=theme)


def gallery_items(
    encoder: DualEncoder, items: Sequence[RankedItem], tower_name: str
) -> list[GalleryItem]:
    """Return ranked pictures or captions as a gallery takes them; no picture is read."""
    if tower_name == "text":
        return [
            GalleryItem(item.name, item.score, None, text=item.name, place=item.place)
            for item in items
        ]
    names = short_names([item.name for item in items])
    return [
        GalleryItem(name, item.score, partial(read_source, encoder, item), place=item.place)
        for name, item in zip(names, items, strict=True)
    ]


def read_source(encoder: DualEncoder, item: RankedItem) -> Image.Image:
    """Return the picture of an item; see :func:`whole_picture`."""
    return whole_picture(encoder, item.source)


def whole_picture(encoder: DualEncoder, source: Any) -> Image.Image:
    """Return a whole picture, or what the model sees of it if it has no other form.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        picture = open_image(source)
        picture.draft("RGB", _DRAFT)
        return read_image(picture)
    if isinstance(source, Image.Image | np.ndarray | bytes | bytearray | memoryview):
        return read_image(source)
    panel = encoder.panel(encoder.prepare(source, "image"), -1)
    assert isinstance(panel, Crop)
    return panel.picture


def short_names(names: Sequence[str]) -> list[str]:
    """Return paths without the folder that all of them lie in."""
    folder = os.path.commonpath(names) if len(names) > 1 and _are_alike(names) else ""
    return [os.path.relpath(name, folder) for name in names] if folder else list(names)


def _are_alike(names: Sequence[str]) -> bool:
    return len({os.path.isabs(name) for name in names}) == 1
