"""What a gallery is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from ._thumbnails import PictureSource


@dataclass(frozen=True)
class GalleryItem:
    """A picture or a text in a gallery.

    Attributes
    ----------
    name
        What it is called, such as a file's name.
    score
        What is written beside it.
    picture
        Returns the picture; called when it is first seen, on a thread of the gallery, and once,
        however many items have it. ``None`` for an item that is a text.
    text
        Shown in place of a picture.
    note
        A few words under the score, such as ``"not in the other ranking"``.
    marked
        Whether it is marked; ``note`` should say what for.
    place
        The number that stands beside it; by default its place on the shelf, counted from 1.
    """

    name: str
    score: float
    picture: PictureSource | None
    text: str = ""
    note: str = ""
    marked: bool = False
    place: int | None = None


@dataclass(frozen=True)
class Shelf:
    """Items in their order, under a title."""

    title: str
    items: Sequence[GalleryItem]


def score_text(score: float) -> str:
    """Return a score as it stands beside an item."""
    return f"{score + 0.0:.3f}".replace("-", "−") if isfinite(score) else "–"
