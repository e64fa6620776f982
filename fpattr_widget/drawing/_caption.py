"""The captions, their words tinted by their values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from ._canvas import Page
from ._caption_layout import Placed, place
from ._colours import EDGE, INK, MUTED, WHITE, Rgb, ink_on, is_against, is_beyond, tint
from ._content import Content
from ._numbers import brief
from ._parts import CaptionPart, first_of_each_sign, weight_in_words
from ._sentence import Chip, is_unknown, never_seen
from ._typeface import Typeface

_SIZES = (12.0, 11.0, 10.0, 9.0, 8.0)
_LARGE = 11.0
_LEADING = 1.7
_NOTE = 7.0
_MARK = 8.0  # size of what stands before a caption
_CUT = 4.0  # width of the mark of a value beyond the scale, in points
_MOST_LINES = 60
_MOST_CAPTIONS = 6
_GUTTER = 7.0  # between a caption and what stands before it
_DASH, _DASH_GAP = 3.0, 2.4  # of what is against
_SIDE_GAP = 5.0  # more between the captions of the two sides


def drawn_captions(content: Content) -> list[CaptionPart]:
    """Return the captions that are written out: the first few of each side."""
    most = _MOST_CAPTIONS if len({part.side for part in content.captions}) == 1 else 4
    return [part for side in (0, 1) for part in first_of_each_sign(content.captions_on(side), most)]


def left_out_line(content: Content, drawn: Sequence[CaptionPart]) -> str:
    """Return how many captions are not written out; ``""`` if all are."""
    count = len(content.captions) - len(drawn)
    return f"and {count} more caption{'s' if count > 1 else ''}" if count else ""


@dataclass(frozen=True)
class _Caption:
    """A caption with its chips in lines, and what stands before it."""

    part: CaptionPart
    mark: tuple[str, str]
    placed: list[Placed]
    lines: int
    gap: float


class CaptionBlock:
    """The captions as sentences of chips, in the largest type that fits.

    Parameters
    ----------
    content
        What is drawn.
    face
        Of the text.
    available
        Width, in points.
    max_height
        Height that it exceeds only in the smallest type, in points.
    """

    def __init__(self, content: Content, face: Typeface, available: float, max_height: float):
        self._content = content
        parts = drawn_captions(content)
        marks = [_mark(content, part, parts) for part in parts]
        widths = [[face.width(text, _MARK) for text in mark] for mark in marks]
        sides, weights = np.max(widths, axis=0) if widths else (0.0, 0.0)
        widest = sides + weights + (_GUTTER if sides and weights else 0.0)
        self._indent = widest + _GUTTER if widest else 0.0
        notes = [left_out_line(content, parts), never_seen(content.unknown)]
        if content.missing:
            notes[1:1] = [content.missing, content.why]
        notes = [note for note in notes if note]
        note_height = _NOTE * _LEADING * len(notes)
        for self._size in _SIZES:
            self._captions = self._placed(parts, marks, face, available - self._indent)
            height = self._text_height + note_height
            if height <= max_height:
                break
        lines = sum(caption.lines for caption in self._captions)
        if lines > _MOST_LINES:
            notes.append("the caption goes on")
            self._captions = _cut(self._captions)
        self._notes = [face.shortened(note, available, _NOTE) for note in notes]
        self.large = self._size >= _LARGE
        self.height = self._text_height + _NOTE * _LEADING * len(self._notes)

    @property
    def _text_height(self) -> float:
        lines = sum(caption.lines for caption in self._captions)
        return lines * self._size * _LEADING + sum(caption.gap for caption in self._captions)

    def _placed(
        self,
        parts: Sequence[CaptionPart],
        marks: Sequence[tuple[str, str]],
        face: Typeface,
        available: float,
    ) -> list[_Caption]:
        captions: list[_Caption] = []
        for part, mark in zip(parts, marks, strict=True):
            # A special position has its number, for its colour may end with the scale.
            chips = [self._with_number(part, chip) for chip in part.chips]
            limit = self._content.chip_limit
            extra = {
                chip.tokens: _CUT
                for chip in chips
                if is_beyond(self._content.chip_value(part, chip), limit)
            }
            placed = place(chips, part.rest, face, self._size, available, extra)
            lines = 1 + max((piece.line for piece in placed), default=-1)
            gap = _SIDE_GAP if captions and captions[-1].part.side != part.side else 0.0
            captions.append(_Caption(part, mark, placed, max(lines, any(mark)), gap))
        return captions

    def _with_number(self, part: CaptionPart, chip: Chip) -> Chip:
        value = self._content.chip_value(part, chip)
        if chip.kind != "special" or isnan(value):
            return chip
        return replace(chip, text=f"{chip.text} {brief(value)}")

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        number, top = 0, y
        for caption in self._captions:
            top += caption.gap
            first = top + 0.68 * self._size * _LEADING
            side, weight = caption.mark
            page.text(x, first, side, _MARK, colour=MUTED)
            right = x + self._indent - _GUTTER
            page.text(right, first, weight, _MARK, colour=MUTED, align="right")
            for piece in caption.placed:
                base = first + piece.line * self._size * _LEADING
                left = x + self._indent + piece.x
                self._draw_piece(page, caption.part, piece, left, base, number)
                number += 1
            top += caption.lines * self._size * _LEADING
        for above, note in enumerate(reversed(self._notes)):
            base = y + self.height - 1 - _NOTE * _LEADING * above
            page.text(x, base, note, _NOTE, colour=MUTED)

    def _draw_piece(
        self, page: Page, part: CaptionPart, piece: Placed, x: float, base: float, number: int
    ) -> None:
        chip, size = piece.chip, piece.size
        if chip is None:
            page.text(x, base, piece.text, size)
            return
        value, limit = self._content.chip_value(part, chip), self._content.chip_limit
        mark = tint(value, limit)
        ink = INK if not isnan(value) and (mark or chip.kind != "special") else MUTED
        colour = ink_on(mark.over(WHITE), ink) if mark else ink
        special = chip.kind == "special"
        height = size * (1.62 if special else 1.42)
        base -= 0.12 * self._size if special else 0
        unknown = is_unknown(chip, part.tokens)
        top = base - 0.36 * size - height / 2
        if mark or special or unknown:
            page.box(
                x, top, piece.width, height, fill=mark.over(WHITE) if mark else None,
                edge=MUTED if unknown else EDGE if special else None, radius=2.2, dotted=unknown,
                name=f"chip-{number}",
            )  # fmt: skip
        beyond = is_beyond(value, limit)
        for offset in (4.0, 2.4) if beyond else ():  # two white lines
            page.box(x + piece.width - offset, top, 0.7, height, fill=WHITE, name="cut")
        middle = x + (piece.width - (_CUT if beyond else 0)) / 2
        if is_against(value, limit) and not special:  # which has its number
            _draw_dashes(page, x, top + height - 1.8, piece.width, colour)
        page.text(middle, base, piece.text, size, colour=colour, align="center")


def _draw_dashes(page: Page, x: float, y: float, width: float, colour: Rgb) -> None:
    """Draw minus signs along the lower edge of a chip."""
    count = max(1, int((width - 4 + _DASH_GAP) / (_DASH + _DASH_GAP)))
    left = x + (width - count * (_DASH + _DASH_GAP) + _DASH_GAP) / 2
    for number in range(count):
        start = left + number * (_DASH + _DASH_GAP)
        page.box(start, y, _DASH, 0.6, fill=colour, name="against")


def _mark(content: Content, part: CaptionPart, drawn: Sequence[CaptionPart]) -> tuple[str, str]:
    """Return what stands before a caption: its side where both have captions, and its weight."""
    both_sides = len(content.captions) > len(content.captions_on(part.side))
    is_first = next(one for one in drawn if one.side == part.side) is part
    side = content.ordinal(part.side) if both_sides and is_first else ""
    is_sum = content.sides[part.side].is_sum
    return side, weight_in_words(part.weight) if is_sum else ""


def _cut(captions: Sequence[_Caption]) -> list[_Caption]:
    """Return captions with no more lines than are drawn."""
    left, some = _MOST_LINES, []
    for caption in captions:
        lines = min(caption.lines, left)
        if lines:
            placed = [piece for piece in caption.placed if piece.line < lines]
            some.append(replace(caption, placed=placed, lines=lines))
        left -= lines
    return some
