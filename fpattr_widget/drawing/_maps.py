"""Small multiples: maps of some features over the greyed pictures of the other side."""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from ._canvas import Page
from ._colours import EDGE, MUTED, NEGATIVE, POSITIVE
from ._content import Content
from ._heat import draw_map, draw_region
from ._items import Item
from ._numbers import signed
from ._pictures import Drawable, Key, boxes
from ._typeface import Typeface

GAP = 9.0
_INNER_GAP = 2.0  # between the pictures of one item
_TITLE = 11.0  # height of a title's line
_BELOW = 8.0  # height of the line below it
_SMALL = 6.0  # size of that
_HEADING = 7.0
_SIZES = (7.5, 7.0, 6.5, 6.0)
_TALLEST, _TALLEST_OF_MANY = 124.0, 84.0
_MOST, _MOST_WIDE = 6, 3  # pictures side by side
_FEWEST = 4  # places in a row, whose size is that of a map
_WIDE = 1.7
_NARROWEST = 60.0  # place for a picture, in points


class MapsBlock:
    """The maps of some features, all on one scale, in as many rows as are needed.

    Parameters
    ----------
    content
        What is drawn.
    items
        Whose maps.
    drawn
        The pictures.
    limit
        Of the scale.
    face
        Of the text.
    available
        Width, in points.
    has_photographs
        Whether the first place has the pictures as they are.
    heading
        A line above all.
    """

    def __init__(
        self,
        content: Content,
        items: Sequence[Item],
        drawn: Mapping[Key, Drawable],
        limit: float,
        face: Typeface,
        available: float,
        *,
        has_photographs: bool = False,
        heading: str = "",
    ):
        self._content, self._limit, self._face = content, limit, face
        self._items: list[Item | None] = [None, *items] if has_photographs else list(items)
        self._under = [
            [one for one in drawn.values() if item is None or one.part.side != item.side]
            for item in self._items
        ]
        self._heading = heading
        self._columns = _columns(self._under, available)
        self._cell = (available - GAP * (self._columns - 1)) / self._columns
        many = any(len(under) > 2 for under in self._under)
        tallest = _TALLEST_OF_MANY if many else _TALLEST
        self._places = [boxes(under, self._cell, tallest, _INNER_GAP) for under in self._under]
        self._size = next((size for size in _SIZES if self._fit(size)), _SIZES[-1])
        self._notes = list(map(self._notes_of, range(len(self._items))))
        self._head = _TITLE + (_BELOW if any(map(any, self._notes)) else 0)
        self._map_height = max(
            (height for _, sizes, _ in self._places for _, height in sizes), default=0.0
        )
        rows = ceil(len(self._items) / self._columns)
        self.height = rows * (self._head + self._map_height) + max(rows - 1, 0) * GAP
        self.height += _TITLE if heading else 0.0

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        drawn = 0
        if self._heading:
            page.text(x, y + 7, self._heading, _HEADING, colour=MUTED)
            y += _TITLE
        for number, item in enumerate(self._items):
            row, column = divmod(number, self._columns)
            left = x + column * (self._cell + GAP)
            top = y + row * (self._head + self._map_height + GAP)
            starts, sizes, width = self._places[number]
            if item is None:
                text = "the pictures" if len(self._under[number]) > 1 else "the picture"
                page.text(left, top + 7, text, self._size, colour=MUTED)
                for place, one in enumerate(self._under[number]):
                    frame = left + starts[place], top + self._head, *sizes[place]
                    name = "picture" if not place else f"picture-{place}"
                    page.image(np.asarray(one.image), *frame, name=name, smooth=True)
                    page.box(*frame, edge=EDGE, edge_width=0.4)
                    draw_region(page, one.edges, one.part.grid, frame)
                continue
            self._draw_title(page, item, left, top + 7, width)
            maps = self._content.maps(item.side, item.features)
            for place, one in enumerate(self._under[number]):
                corner = left + starts[place]
                note = self._notes[number][place]
                page.text(corner, top + 7 + _BELOW, note, _SMALL, colour=MUTED)
                frame = corner, top + self._head, *sizes[place]
                draw_map(
                    page, maps[one.part.number], self._limit, frame, name=f"map-{drawn}",
                    under=one.grey, under_name=f"under-{drawn}",
                )  # fmt: skip
                draw_region(page, one.edges, one.part.grid, frame)
                drawn += 1

    def _fit(self, size: float) -> bool:
        """Return whether all titles fit, but for those that do not at the smallest size."""
        return all(
            self._title_width(item, size) <= self._cell
            or self._title_width(item, _SIZES[-1]) > self._cell
            for item in self._items
            if item
        )

    def _title_width(self, item: Item, size: float) -> float:
        value = self._face.width(signed(self._value(item)), size)
        return self._face.width(item.title, size, _weight(item)) + 4 + value

    def _value(self, item: Item) -> float:
        return self._content.value(item.side, item.features)

    def _notes_of(self, number: int) -> list[str]:
        """Return a line for each picture of an item: what it adds, or what its sum is made of."""
        item, under = self._items[number], self._under[number]
        if item is None:
            return []
        if len(under) == 1:
            return [self._composition(item)]
        across = self._content.across(item.side, item.features)
        return [signed(float(across[list(one.part.features)].sum())) for one in under]

    def _composition(self, item: Item) -> str:
        """Return the parts of an item's value in the longest form that fits."""
        parts = self._content.composition(item.side, item.features)
        if not parts:
            return ""
        (name, value), *others = parts
        rest = "".join(f" · {name} {signed(value)}" for name, value in others)
        texts = f"{name} {signed(value)}{rest}", signed(value) + rest
        available = self._cell
        return next((text for text in texts if self._face.width(text, _SMALL) <= available), "")

    def _draw_title(self, page: Page, item: Item, x: float, base: float, width: float) -> None:
        value = self._value(item)
        number = signed(value)
        weight, size = _weight(item), self._size
        available = self._cell - self._face.width(number, size) - 4
        name = self._face.shortened(item.title, available, size, weight)
        page.text(x, base, name, size, weight=weight)
        colour = POSITIVE if value > 0 else NEGATIVE if value < 0 else MUTED
        # At the right end of the maps, or of the title if that is wider.
        title_width = self._face.width(name, size, weight) + 4 + self._face.width(number, size)
        page.text(x + max(width, title_width), base, number, size, colour=colour, align="right")


def _weight(item: Item) -> str:
    return "normal" if item.is_special else "bold"


def _columns(under: Sequence[Sequence[Drawable]], available: float) -> int:
    """Return how many items stand side by side."""
    together = max(map(len, under), default=1)
    aspects = [one.aspect for some in under for one in some]
    most = _MOST if not aspects or float(np.mean(aspects)) < _WIDE else _MOST_WIDE
    most = min(most, int((available + GAP) / (_NARROWEST + GAP)))
    most = max(1, most // together)
    return max(min(len(under), most), min(-(-_FEWEST // together), most))
