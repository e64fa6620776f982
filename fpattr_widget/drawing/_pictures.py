"""The pictures of both sides, each above its map of the whole other side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from PIL import Image

from ._canvas import Page
from ._colours import EDGE, MUTED, NEGATIVE, POSITIVE, WHITE, greyed
from ._content import Content
from ._heat import Frame, draw_map, draw_region, outline
from ._items import Item
from ._numbers import signed
from ._parts import PicturePart, weight_in_words
from ._typeface import Typeface

_FINEST = 4  # pixels of a picture to a point
_LARGEST = 222.0  # side of a square picture, in points
_GAP = 9.0  # between pictures
_HEAD = 12.0
_SIZE = 7.5
_TAG = 6.0  # size of the number at a part of a picture
_WIDEST = 2.0  # width of a picture beside others, in heights
_NARROWEST = 0.55  # of the place for one

#: A picture, known by its side and its number there.
Key = tuple[int, int]


@dataclass(frozen=True)
class Drawable:
    """A picture that is drawn.

    Attributes
    ----------
    part
        Which it is.
    image
        RGB, with no more pixels than can be seen.
    grey
        As it lies under maps, ``(h, w, 3)``.
    edges
        Of a region that is outlined; see ``outline``.
    """

    part: PicturePart
    image: Image.Image
    grey: np.ndarray
    edges: np.ndarray

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.image.width / self.image.height


def drawables(content: Content, regions: Sequence[set[int]]) -> dict[Key, Drawable]:
    """Return the pictures that are drawn: the first few of each side.

    Parameters
    ----------
    content
        What is drawn.
    regions
        Of each side, features of which those that are patches are outlined.
    """
    drawn = {}
    for side in (0, 1):
        for part in content.drawn_pictures(side):
            inside = [
                patch - part.patches.start for patch in regions[side] if patch in part.patches
            ]
            image = _bounded(part.picture)
            edges = outline(inside, part.grid)
            drawn[side, part.number] = Drawable(part, image, greyed(np.asarray(image)), edges)
    return drawn


def _bounded(picture: Image.Image) -> Image.Image:
    """Return a picture with no more pixels than can be seen."""
    plain = picture.convert("RGB")
    side = _LARGEST * _FINEST
    plain.thumbnail((side, side), Image.Resampling.LANCZOS)
    return plain


def boxes(
    drawn: Sequence[Drawable], room: float, tallest: float, gap: float
) -> tuple[list[float], list[tuple[float, float]], float]:
    """Arrange pictures beside one another, in places of one height.

    Returns
    -------
    (list of float, list of (float, float), float)
        Where each place begins, the width and height of each picture, and the width of all.
    """
    shares = [min(max(one.aspect, _NARROWEST), _WIDEST) for one in drawn]
    height = min(tallest, (room - gap * (len(drawn) - 1)) / sum(shares))
    starts, sizes, x = [], [], 0.0
    for one, share in zip(drawn, shares, strict=True):
        width = min(share * height, height * one.aspect)
        starts.append(x)
        sizes.append((width, width / one.aspect))
        x += share * height + gap
    return starts, sizes, x - gap


class PicturesBlock:
    """The pictures; each above its map of the whole other side, unless it is a plain one.

    Parameters
    ----------
    content
        What is drawn.
    drawn
        The pictures.
    items
        What has maps; numbered parts of pictures are marked.
    limit
        Of the scale of the maps.
    face
        Of the text.
    side
        Of one square picture, in points.
    room
        Width for several pictures.
    """

    def __init__(
        self,
        content: Content,
        drawn: Mapping[Key, Drawable],
        items: Sequence[Item],
        limit: float,
        face: Typeface,
        side: float,
        room: float,
    ):
        self._content, self._limit, self._face = content, limit, face
        self._drawn = list(drawn.values())
        self._items = [item for item in items if item.is_region]
        self._has_maps = content.shows_totals
        self._has_photographs = not content.shows_photographs_below
        if len(self._drawn) == 1:
            self._starts = [0.0]
            self._sizes = [_fitted(self._drawn[0].aspect, side)]
            self.width = self._sizes[0][0]
        else:
            self._starts, self._sizes, self.width = boxes(self._drawn, room, side, _GAP)
        left_out = len(content.pictures) - len(self._drawn)
        self._note = f"and {left_out} more picture{'s' if left_out > 1 else ''}" if left_out else ""
        self._headings = [self._heading(one.part) for one in self._drawn]
        self._head = _HEAD if any(self._headings) else 0.0
        self._tallest = max(height for _, height in self._sizes)
        self.height = self._head
        self.height += self._tallest if self._has_photographs else 0.0
        self.height += _HEAD + self._tallest if self._has_maps else 0.0
        self.height += 2.0 if self._has_maps and self._has_photographs else 0.0
        self.height += _HEAD if self._note else 0.0

    def _heading(self, part: PicturePart) -> str:
        """Return a picture's weight and name; of one that is alone, nothing."""
        content = self._content
        words = []
        if content.pictures_on(1 - part.side):
            words.append(content.ordinal(part.side))
        if content.sides[part.side].is_sum:
            words.append(weight_in_words(part.weight))
        return " ".join([*words, part.name]) if words else ""

    def _opposite(self, part: PicturePart) -> tuple[str, str]:
        """Return what the other side is as a whole, and the same in a word."""
        side = self._content.sides[1 - part.side]
        if min(side.weights) < 0 < max(side.weights):
            return "whole difference", "difference"
        if side.kinds == {"sentence"}:
            return ("all captions", "all") if len(side.panels) > 1 else ("whole caption", "caption")
        if side.kinds == {"picture"}:
            ordinal = self._content.ordinal(1 - part.side)
            several = len(side.panels) > 1
            return ("all pictures", "all") if several else (f"{ordinal} picture", ordinal)
        return "whole other side", "all"

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        for number, one in enumerate(self._drawn):
            left, (width, height) = x + self._starts[number], self._sizes[number]
            available = max(width, _NARROWEST * self._tallest)
            heading = self._face.shortened(self._headings[number], available, _SIZE, "bold")
            page.text(left, y + 7.5, heading, _SIZE, weight="bold")
            top = y + self._head
            if self._has_photographs:
                self._draw_photograph(page, one, number, (left, top, width, height))
                top += self._tallest + 2
            if self._has_maps:
                self._draw_total(page, one, number, (left, top, width, height), available)
        if self._note:
            page.text(x, y + self.height - 3, self._note, 7, colour=MUTED)

    def _draw_photograph(self, page: Page, one: Drawable, number: int, frame: Frame) -> None:
        name = "picture" if not number else f"picture-{number}"
        page.image(np.asarray(one.image), *frame, name=name, smooth=True)
        page.box(*frame, edge=EDGE, edge_width=0.4)
        draw_region(page, one.edges, one.part.grid, frame)
        self._draw_numbers(page, one, frame)

    def _draw_total(
        self, page: Page, one: Drawable, number: int, place: Frame, available: float
    ) -> None:
        left, top, width, height = place
        part = one.part
        value = self._content.value(part.side, part.features)
        text = signed(value)
        room = available - self._face.width(text, _SIZE) - 4
        long, short = self._opposite(part)
        fits = self._face.width(long, _SIZE) <= room
        title = long if fits else self._face.shortened(short, room, _SIZE)
        page.text(left, top + 8.5, title, _SIZE, colour=MUTED)
        colour = POSITIVE if value > 0 else NEGATIVE if value < 0 else MUTED
        page.text(left + available, top + 8.5, text, _SIZE, colour=colour, align="right")
        frame = left, top + _HEAD, width, height
        draw_map(
            page, self._content.total_map(part), self._limit, frame, name=f"whole-{number}",
            under=one.grey, under_name=f"under-whole-{number}",
        )  # fmt: skip
        draw_region(page, one.edges, part.grid, frame)

    def _draw_numbers(self, page: Page, one: Drawable, frame: Frame) -> None:
        """Outline the numbered parts of a picture."""
        rows, columns = one.part.grid
        x, y, width, height = frame
        for item in self._items:
            inside = [f - one.part.patches.start for f in item.features if f in one.part.patches]
            if item.side != one.part.side or not inside:
                continue
            draw_region(page, outline(inside, one.part.grid), one.part.grid, frame)
            if item.title.isdigit():
                top, left = divmod(min(inside), columns)
                corner = x + left / columns * width, y + top / rows * height
                size = self._face.width(item.title, _TAG, "bold") + 3
                high = max(corner[1] - _TAG - 1.5, y)
                page.box(corner[0], high, size, _TAG + 1.5, fill=WHITE, radius=1.5, name="number")
                page.text(
                    corner[0] + size / 2, high + 0.9 * _TAG, item.title, _TAG, weight="bold",
                    align="center",
                )  # fmt: skip


def _fitted(aspect: float, side: float) -> tuple[float, float]:
    """Return a picture's width and height: of about the same area whatever its proportions."""
    width = min(side * sqrt(aspect), 1.5 * side)
    height = min(width / aspect, 1.15 * side)
    return height * aspect, height
