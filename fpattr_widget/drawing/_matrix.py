"""Two sides of captions: a heat map of words with words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._canvas import Page
from ._caption import drawn_captions
from ._colours import EDGE, INK, MUTED, WHITE, heat, ink_on, tint
from ._content import Content
from ._heat import draw_hatching
from ._numbers import brief
from ._parts import weight_in_words
from ._typeface import Typeface

_MOST = 78  # words along a side
_LABEL = 7.5  # sizes of text
_SMALLEST = 4.8
_NUMBERS = (7.0, 6.5, 6.0, 5.5, 5.0)
_WIDEST, _TALLEST = 58.0, 19.0  # of a cell, in points
_SHORT = 260.0  # height of a matrix that rows of less than the greatest height keep to
_LOWEST = 10.5  # of a cell with a number
_LONGEST = 84.0  # label
_LINE = 10.0  # of a group's weight
_GROUP_GAP = 3.0  # between captions
_SPARE = 4.0  # between labels and cells
_WEAK = 0.05  # of the limit: what is less is written faintly
_MANY = 2  # captions of a side, from which on those that share their wording are one


@dataclass(frozen=True)
class Entry:
    """A word of a side, or aligned words of several captions.

    Attributes
    ----------
    label
        The word.
    features
        On its side.
    is_special
        Whether it is a special token.
    group
        Number of the caption among those of the side that are drawn.
    """

    label: str
    features: tuple[int, ...]
    is_special: bool
    group: int


@dataclass(frozen=True)
class Axis:
    """The words along one side of the matrix.

    Attributes
    ----------
    side
        Which one.
    entries
        In order.
    groups
        What stands at each caption: its weight; empty strings where it has none.
    left_out
        How many words and captions are not shown.
    """

    side: int
    entries: list[Entry]
    groups: list[str]
    left_out: str


def axis_of(content: Content, side: int) -> Axis:
    """Return the words of a side's captions, or where these share their wording, aligned ones."""
    captions = content.captions_on(side)
    folds = content.sides[side].folds
    if len(captions) > _MANY and folds:
        specials = {
            feature
            for part in captions
            for chip in part.chips
            if chip.kind == "special"
            for feature in part.features(chip)
        }
        entries = [
            Entry(fold.name, fold.features, specials.issuperset(fold.features), 0) for fold in folds
        ]
        groups = [f"{('rows', 'columns')[side]}: {len(captions)} captions, word by word"]
    else:
        drawn = [part for part in drawn_captions(content) if part.side == side]
        entries = [
            Entry(chip.text, tuple(part.features(chip)), chip.kind == "special", group)
            for group, part in enumerate(drawn)
            for chip in part.chips
        ]
        groups = [
            weight_in_words(part.weight) if content.sides[side].is_sum else "" for part in drawn
        ]
    shown = {feature for entry in entries[:_MOST] for feature in entry.features}
    chips = [(part, chip) for part in captions for chip in part.chips]
    missing = sum(not shown.issuperset(part.features(chip)) for part, chip in chips)
    left_out = f"{missing} of {len(chips)} words are not shown" if missing else ""
    entries = entries[:_MOST]
    return Axis(side, entries, groups[: entries[-1].group + 1] if entries else [], left_out)


def matrix_of(content: Content, rows: Axis, columns: Axis) -> np.ndarray:
    """Return sums of words with words, ``(rows, columns)`` float64."""
    sums = [content.across(0, entry.features) for entry in rows.entries]
    return np.array(
        [[one[list(entry.features)].sum() for entry in columns.entries] for one in sums]
    ).reshape(len(rows.entries), len(columns.entries))


class MatrixBlock:
    """Words of the first side from top to bottom, those of the second from left to right.

    Parameters
    ----------
    content
        What is drawn.
    face
        Of the text.
    available
        Width, in points.
    chosen
        Of each side, features whose words are emphasised.
    """

    def __init__(
        self, content: Content, face: Typeface, available: float, chosen: Sequence[set[int]]
    ):
        self._face, self._chosen = face, chosen
        self._rows, self._columns = axis_of(content, 0), axis_of(content, 1)
        self._values = matrix_of(content, self._rows, self._columns)
        spoken = np.ix_(
            [not entry.is_special for entry in self._rows.entries],
            [not entry.is_special for entry in self._columns.entries],
        )
        words = np.abs(np.nan_to_num(self._values[spoken]))
        everything = np.abs(np.nan_to_num(self._values))
        size = words.max(initial=0.0) or everything.max(initial=0.0)
        self.limit = content.matrix_limit(float(size))
        self._groups_left = max(
            (face.width(text, _LABEL) for text in self._rows.groups if len(text) <= _LONG_MARK),
            default=0.0,
        )
        self._groups_left += _SPARE if self._groups_left else 0.0
        longest = max((self._label_width(entry, 0) for entry in self._rows.entries), default=0.0)
        self._left = self._groups_left + min(longest, _LONGEST) + _SPARE
        count = max(len(self._columns.entries), 1)
        room = available - self._left - _GROUP_GAP * (len(self._columns.groups) - 1)
        self._width = min(_WIDEST, room / count)
        self._number_size, self._texts = self._numbers()
        self._height = min(_TALLEST, max(self._width, 9.0))
        rows = max(len(self._rows.entries), 1)
        self._height = min(self._height, max(_SHORT / rows, _LOWEST if self._texts else 6.5))
        self._label_size = max(_SMALLEST, min(_LABEL, self._height - 1))
        self._top_size = max(_SMALLEST, min(_LABEL, self._width - 0.6))
        widths = [self._label_width(entry, 1) for entry in self._columns.entries]
        self._upright = any(width > self._width - 2 for width in widths)
        over = [text for text in self._columns.groups if text]
        self._group_line = _LINE if over else 0.0
        self._over_rows = _LINE if any(len(text) > _LONG_MARK for text in self._rows.groups) else 0
        longest = min(max(widths, default=0.0), _LONGEST)
        self._top = self._group_line + (longest + _SPARE if self._upright else 11.0)
        self._top += self._over_rows
        notes = [
            f"{name}: {axis.left_out}"
            for name, axis in (("rows", self._rows), ("columns", self._columns))
            if axis.left_out
        ]
        self._note = face.shortened(" · ".join(notes), available, 7) if notes else ""
        self._grid_height = self._height * len(self._rows.entries)
        self._grid_height += _GROUP_GAP * max(len(self._rows.groups) - 1, 0)
        self.height = self._top + self._grid_height + (11.0 if self._note else 0.0)

    def _label_width(self, entry: Entry, side: int) -> float:
        return self._face.width(
            entry.label, self._label_text_size(entry), self._weight(entry, side)
        )

    def _label_text_size(self, entry: Entry) -> float:
        return _LABEL - (1.0 if entry.is_special else 0.0)

    def _weight(self, entry: Entry, side: int) -> str:
        return "bold" if self._chosen[side].intersection(entry.features) else "normal"

    def _numbers(self) -> tuple[float, list[str]]:
        """Return the cells' values in the longest form that fits, with its size; or none."""
        values = self._values.ravel()
        for form in (brief, _briefest):
            texts = [form(value) for value in values]
            widest = max((self._face.width(text, 1.0) for text in set(texts)), default=0.0)
            for size in _NUMBERS:
                if widest * size <= self._width - 2:
                    return size, texts
        return 0.0, []

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        lefts = self._starts(self._columns, x + self._left, self._width)
        tops = self._starts(self._rows, y + self._top, self._height)
        self._draw_groups(page, x, y, lefts, tops)
        for entry, left in zip(self._columns.entries, lefts, strict=True):
            size = min(self._top_size, self._label_text_size(entry))
            colour, weight = MUTED if entry.is_special else INK, self._weight(entry, 1)
            room = self._top - self._group_line - self._over_rows - _SPARE
            text = entry.label
            if self._upright:
                text = self._face.shortened(text, room, size, weight)
            page.text(
                left + self._width / 2 + (0.36 * size if self._upright else 0),
                y + self._top - 3, text, size, colour=colour, weight=weight,
                align="left" if self._upright else "center", upright=self._upright,
            )  # fmt: skip
        for entry, top in zip(self._rows.entries, tops, strict=True):
            size = min(self._label_size, self._label_text_size(entry))
            weight = self._weight(entry, 0)
            room = self._left - self._groups_left - _SPARE
            text = self._face.shortened(entry.label, room + 0.01, size, weight)
            page.text(
                x + self._left - _SPARE, top + self._height / 2 + 0.36 * size, text, size,
                colour=MUTED if entry.is_special else INK, weight=weight, align="right",
            )  # fmt: skip
        self._draw_cells(page, lefts, tops)
        if self._note:
            page.text(x, y + self.height - 2, self._note, 7, colour=MUTED)

    def _draw_groups(
        self, page: Page, x: float, y: float, lefts: Sequence[float], tops: Sequence[float]
    ) -> None:
        """Write the weight of each caption at its words, with a line along them."""
        for number, text in enumerate(self._columns.groups):
            members = [
                left
                for entry, left in zip(self._columns.entries, lefts, strict=True)
                if entry.group == number
            ]
            if text and members:
                width = members[-1] + self._width - members[0]
                shown = self._face.shortened(text, max(width, 40.0), _LABEL)
                base = y + self._over_rows + 7
                page.text(members[0], base, shown, _LABEL, colour=MUTED)
                page.box(members[0], base + 1.8, width, 0.5, fill=EDGE)
        for number, text in enumerate(self._rows.groups):
            members = [
                top
                for entry, top in zip(self._rows.entries, tops, strict=True)
                if entry.group == number
            ]
            if not text or not members:
                continue
            if len(text) > _LONG_MARK:
                page.text(x, y + 7, text, _LABEL, colour=MUTED)
                continue
            page.text(x, members[0] + self._height / 2 + 2.6, text, _LABEL, colour=MUTED)
            height = members[-1] + self._height - members[0]
            page.box(x + self._groups_left - 2.5, members[0], 0.5, height, fill=EDGE)

    def _draw_cells(self, page: Page, lefts: Sequence[float], tops: Sequence[float]) -> None:
        count = len(self._columns.entries)
        for block, (rows, columns) in enumerate(self._blocks()):
            values = self._values[rows, columns]
            left, top = lefts[columns.start], tops[rows.start]
            frame = left, top, self._width * values.shape[1], self._height * values.shape[0]
            pixels = heat(np.nan_to_num(values), self.limit)
            page.image(pixels, *frame, name=f"matrix-{block}", smooth=False)
            if not self._texts:
                draw_hatching(page, values, self.limit, frame)
            self._draw_lines(page, values.shape, frame)
            page.box(*frame, edge=EDGE, edge_width=0.4)
        for number, text in enumerate(self._texts):
            row, column = divmod(number, count)
            mark = tint(float(self._values[row, column]), self.limit)
            special = self._rows.entries[row].is_special or self._columns.entries[column].is_special
            is_weak = abs(self._values[row, column]) < _WEAK * self.limit
            ink = MUTED if special or is_weak else INK
            colour = ink_on(mark.over(WHITE), ink) if mark else MUTED
            base = tops[row] + self._height / 2 + 0.36 * self._number_size
            middle = lefts[column] + self._width / 2
            page.text(middle, base, text, self._number_size, colour=colour, align="center")

    def _draw_lines(
        self, page: Page, shape: tuple[int, ...], frame: tuple[float, float, float, float]
    ) -> None:
        """Draw white lines between cells."""
        x, y, width, height = frame
        lines = [
            *(((x, y + row * self._height), (x + width, y + row * self._height))
              for row in range(1, shape[0])),
            *(((x + column * self._width, y), (x + column * self._width, y + height))
              for column in range(1, shape[1])),
        ]  # fmt: skip
        if lines:
            page.lines(np.array(lines), WHITE, min(0.8, 0.08 * self._width), name="between")

    def _blocks(self) -> list[tuple[slice, slice]]:
        """Return the cells of each pair of captions."""
        return [(rows, columns) for rows in _spans(self._rows) for columns in _spans(self._columns)]

    def _starts(self, axis: Axis, start: float, size: float) -> list[float]:
        return [
            start + number * size + entry.group * _GROUP_GAP
            for number, entry in enumerate(axis.entries)
        ]


_LONG_MARK = 12  # characters of a weight that stand beside the words


def _spans(axis: Axis) -> list[slice]:
    groups = [entry.group for entry in axis.entries]
    return [
        slice(groups.index(group), len(groups) - groups[::-1].index(group))
        for group in dict.fromkeys(groups)
    ]


def _briefest(value: float) -> str:
    """Return ``+.17`` or ``−5.3``."""
    text = brief(value)
    sign, size = text[:1], text[1:]
    if not size:
        return text
    number = float(size)
    if number < 0.005:
        return "0"
    return sign + (f"{number:.2f}".lstrip("0") if number < 0.995 else f"{number:.1f}")
