"""The caption, its words tinted by their values."""

from dataclasses import replace
from math import isnan

from ._canvas import Page
from ._caption_layout import Placed, place
from ._colours import EDGE, INK, MUTED, WHITE, ink_on, is_beyond, tint
from ._content import Content
from ._numbers import brief
from ._sentence import is_unknown, never_seen
from ._typeface import Typeface

_SIZES = (12.0, 11.0, 10.0, 9.0, 8.0)
_LARGE = 11.0
_LEADING = 1.7
_NOTE = 7.0
_CUT = 4.0  # width of the mark of a value beyond the scale, in points
_MOST_LINES = 60


class CaptionBlock:
    """The caption as a sentence of chips, in the largest type that fits.

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
        # A special position has its number, for its colour may end with the scale.
        chips = [
            replace(chip, text=f"{chip.text} {brief(content.value(chip))}")
            if chip.kind == "special" and not isnan(content.value(chip))
            else chip
            for chip in content.chips
        ]
        limit = content.chip_limit
        extra = {chip.tokens: _CUT for chip in chips if is_beyond(content.value(chip), limit)}
        words = [chip for chip in chips if chip.kind == "word"]
        computed = sum(not isnan(content.value(chip)) for chip in words)
        notes = [never_seen(content.unknown)]
        if computed < len(words):
            notes = [f"{computed} of {len(words)} words were computed", content.why, *notes]
        notes = [note for note in notes if note]
        for size in _SIZES:
            placed = place(chips, content.rest, face, size, available, extra)
            lines = 1 + max((piece.line for piece in placed), default=-1)
            if lines * size * _LEADING + _NOTE * _LEADING * len(notes) <= max_height:
                break
        if lines > _MOST_LINES:
            notes.append("the caption goes on")
        self._notes = [face.shortened(note, available, _NOTE) for note in notes]
        self._size = size
        self._placed = [piece for piece in placed if piece.line < _MOST_LINES]
        self.large = size >= _LARGE
        self.height = min(lines, _MOST_LINES) * size * _LEADING
        self.height += _NOTE * _LEADING * len(self._notes)

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        for number, piece in enumerate(self._placed):
            base = y + (piece.line + 0.68) * self._size * _LEADING
            self._draw_piece(page, piece, x + piece.x, base, number)
        for above, note in enumerate(reversed(self._notes)):
            base = y + self.height - 1 - _NOTE * _LEADING * above
            page.text(x, base, note, _NOTE, colour=MUTED)

    def _draw_piece(self, page: Page, piece: Placed, x: float, base: float, number: int) -> None:
        chip, size = piece.chip, piece.size
        if chip is None:
            page.text(x, base, piece.text, size)
            return
        value = self._content.value(chip)
        mark = tint(value, self._content.chip_limit)
        ink = INK if not isnan(value) and (mark or chip.kind != "special") else MUTED
        colour = ink_on(mark.over(WHITE), ink) if mark else ink
        special = chip.kind == "special"
        height = size * (1.62 if special else 1.42)
        base -= 0.12 * self._size if special else 0
        unknown = is_unknown(chip, self._content.tokens)
        top = base - 0.36 * size - height / 2
        if mark or special or unknown:
            page.box(
                x, top, piece.width, height, fill=mark.over(WHITE) if mark else None,
                edge=MUTED if unknown else EDGE if special else None, radius=2.2, dotted=unknown,
                name=f"chip-{number}",
            )  # fmt: skip
        beyond = is_beyond(value, self._content.chip_limit)
        for offset in (4.0, 2.4) if beyond else ():  # two white lines
            page.box(x + piece.width - offset, top, 0.7, height, fill=WHITE, name="cut")
        middle = x + (piece.width - (_CUT if beyond else 0)) / 2
        page.text(middle, base, piece.text, size, colour=colour, align="center")
