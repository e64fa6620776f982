"""Small multiples: the maps of some words over the greyed picture, all on one scale."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image

from ._canvas import Page
from ._colours import EDGE, INK, MUTED, NEGATIVE, POSITIVE, WHITE, greyed, heat
from ._content import Content
from ._numbers import signed
from ._sentence import Chip
from ._typeface import Typeface

GAP = 9.0
_TITLE = 11.0  # height of a title's line
_BELOW = 8.0  # height of the line below it
_SMALL = 6.0  # size of that
_SIZES = (7.5, 7.0, 6.5, 6.0)
_TALLEST = 124.0


class MapsBlock:
    """The maps of some words, in as many rows as are needed.

    Parameters
    ----------
    content
        What is drawn.
    words
        Whose maps.
    picture
        Under them, RGB.
    edges
        Of a region, in units of patches; see ``outline``.
    limit
        Of the scale.
    face
        Of the text.
    available
        Width, in points.
    """

    def __init__(
        self,
        content: Content,
        words: Sequence[Chip],
        picture: Image.Image,
        edges: np.ndarray,
        limit: float,
        face: Typeface,
        available: float,
    ):
        self._content, self._words, self._edges = content, words, edges
        self._limit, self._face = limit, face
        self._grey = greyed(np.asarray(picture))
        aspect = picture.width / picture.height
        self._columns = _columns(len(words), aspect)
        self._cell = (available - GAP * (self._columns - 1)) / self._columns
        self._width = min(self._cell, _TALLEST * aspect)
        self._map_height = self._width / aspect
        self._size = next((size for size in _SIZES if self._fit(size)), _SIZES[-1])
        self._compositions = [self._composition(word) for word in words]
        self._head = _TITLE + (_BELOW if any(self._compositions) else 0)
        rows = ceil(len(words) / self._columns)
        self.height = rows * (self._head + self._map_height) + max(rows - 1, 0) * GAP

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        for number, word in enumerate(self._words):
            row, column = divmod(number, self._columns)
            left = x + column * (self._cell + GAP)
            top = y + row * (self._head + self._map_height + GAP)
            self._draw_title(page, word, left, top + 7)
            page.text(left, top + 7 + _BELOW, self._compositions[number], _SMALL, colour=MUTED)
            frame = left, top + self._head, self._width, self._map_height
            page.image(self._grey, *frame, name=f"under-{number}", smooth=True)
            pixels = heat(self._content.map(word), self._limit)
            page.image(pixels, *frame, name=f"map-{number}", smooth=False)
            page.box(*frame, edge=EDGE, edge_width=0.4)
            draw_region(page, self._edges, self._content.grid, *frame)

    def _fit(self, size: float) -> bool:
        """Return whether all titles fit, but for those that do not at the smallest size."""
        return all(
            self._title_width(word, size) <= self._cell
            or self._title_width(word, _SIZES[-1]) > self._cell
            for word in self._words
        )

    def _title_width(self, word: Chip, size: float) -> float:
        value = self._face.width(signed(self._content.value(word)), size)
        return self._face.width(word.text, size, _weight(word)) + 4 + value

    def _composition(self, word: Chip) -> str:
        """Return the parts of a word's value in the longest form that fits."""
        others = self._content.others(word)
        if not others:
            return ""
        patches = signed(float(self._content.map(word).sum()))
        rest = "".join(f" · {name} {signed(value)}" for name, value in others)
        texts = f"patches {patches}{rest}", patches + rest
        available = self._cell
        return next((text for text in texts if self._face.width(text, _SMALL) <= available), "")

    def _draw_title(self, page: Page, word: Chip, x: float, base: float) -> None:
        value = self._content.value(word)
        number = signed(value)
        weight, size = _weight(word), self._size
        available = self._cell - self._face.width(number, size) - 4
        name = self._face.shortened(word.text, available, size, weight)
        page.text(x, base, name, size, weight=weight)
        colour = POSITIVE if value > 0 else NEGATIVE if value < 0 else MUTED
        # At the right end of the map, or of the title if that is wider.
        title_width = self._face.width(name, size, weight) + 4 + self._face.width(number, size)
        end = x + max(self._width, title_width)
        page.text(end, base, number, size, colour=colour, align="right")


def _weight(word: Chip) -> str:
    return "normal" if word.kind == "special" else "bold"


def outline(region: Sequence[int], grid: tuple[int, int]) -> np.ndarray:
    """Return the border of a set of patches as straight lines, ``(n, 2, 2)`` of (x, y)."""
    rows, columns = grid
    inside = np.zeros((rows + 2, columns + 2), bool)
    for patch in region:
        inside[patch // columns + 1, patch % columns + 1] = True
    segments = []
    for y, x in np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1]):
        segments.append(((x, y), (x + 1, y)))
    for y, x in np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1]):
        segments.append(((x, y), (x, y + 1)))
    return np.array(segments, float).reshape(-1, 2, 2)


def draw_region(
    page: Page,
    edges: np.ndarray,
    grid: tuple[int, int],
    x: float,
    y: float,
    width: float,
    height: float,
) -> None:
    """Draw an outline over a picture that stands in a frame."""
    if not len(edges):
        return
    rows, columns = grid
    placed = edges * (width / columns, height / rows) + (x, y)
    page.lines(placed, INK, 2.0)
    page.lines(placed, WHITE, 0.9)


def _columns(count: int, aspect: float) -> int:
    """Return how many maps stand side by side."""
    most = 6 if aspect < 1.7 else 3
    return max(min(count, most), min(4, most))
