"""The drawing of a gallery: the first pictures or texts of each shelf, with their scores."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ._canvas import Page
from ._colours import INK, MUTED, QUIET
from ._image_files import figure_png
from ._sheet import default_settings
from ._typeface import Typeface

_WIDTH = 504.0  # 7 inches
_MARGIN = 6.0
_ACROSS = 5
_GAP = 8.0
_TITLE = 16.0  # height of a title's line
_NUMBERS, _NAME = 11.0, 10.0  # heights of the lines under a picture
_LINE = 13.0  # height of a text's line
_LARGE, _SMALL = 8.0, 7.0  # sizes of text
_DPI = 110


@dataclass(frozen=True)
class Cell:
    """A picture or a text in the drawing of a gallery.

    Attributes
    ----------
    place
        Its number.
    score
        As text.
    name
        Of the picture, or the text itself.
    picture
        A file's bytes; ``None`` where it cannot be read, or for a text.
    note
        A few words.
    """

    place: int
    score: str
    name: str
    picture: bytes | None = None
    note: str = ""


@dataclass(frozen=True)
class Cells:
    """What is drawn of a shelf.

    Attributes
    ----------
    title
        Stands above.
    cells
        The first items.
    more
        How many are left out.
    are_pictures
        Whether they are pictures, and not texts.
    """

    title: str
    cells: Sequence[Cell]
    more: int
    are_pictures: bool


def contact_sheet(shelves: Sequence[Cells]) -> bytes:
    """Return a drawing of shelves as a PNG file, seven inches wide."""
    texts = [text for one in shelves for cell in one.cells for text in (cell.name, cell.note)]
    with default_settings():
        face = Typeface([*texts, *(one.title for one in shelves), "…◆−"])
        height = 2 * _MARGIN + sum(map(_height, shelves))
        page = Page(_WIDTH, height, face, _DPI)
        top = _MARGIN
        for shelf in shelves:
            _draw(page, shelf, top)
            top += _height(shelf)
        return figure_png(page.figure, light=True)


def stacked(drawings: Sequence[bytes]) -> bytes:
    """Return drawings as one PNG file, above one another."""
    pictures = [Image.open(io.BytesIO(drawing)).convert("RGB") for drawing in drawings]
    size = max(one.width for one in pictures), sum(one.height for one in pictures)
    sheet = Image.new("RGB", size, "white")
    top = 0
    for one in pictures:
        sheet.paste(one, (0, top))
        top += one.height
    buffer = io.BytesIO()
    # A palette: a third of the bytes.
    sheet.quantize(256).save(buffer, "PNG", dpi=(_DPI, _DPI))
    return buffer.getvalue()


def _height(shelf: Cells) -> float:
    if shelf.are_pictures:
        rows = -(-len(shelf.cells) // _ACROSS)
        return _TITLE + rows * _cell_height(shelf)
    lines = sum(1 + bool(cell.note) for cell in shelf.cells)
    return _TITLE + lines * _LINE + _GAP


def _side() -> float:
    return (_WIDTH - 2 * _MARGIN - (_ACROSS - 1) * _GAP) / _ACROSS


def _cell_height(shelf: Cells) -> float:
    notes = _NAME if any(cell.note for cell in shelf.cells) else 0.0
    return _side() * 0.75 + _NUMBERS + _NAME + notes + _GAP


def _draw(page: Page, shelf: Cells, top: float) -> None:
    more = f"  and {shelf.more} more" if shelf.more else ""
    face, width = page.face, _WIDTH - 2 * _MARGIN
    room = width - face.width(more, _LARGE)
    title = face.shortened(shelf.title, room, _LARGE, "bold")
    page.text(_MARGIN, top + 10, title, _LARGE, weight="bold")
    page.text(_MARGIN + face.width(title, _LARGE, "bold"), top + 10, more, _LARGE, colour=MUTED)
    top += _TITLE
    if shelf.are_pictures:
        for number, cell in enumerate(shelf.cells):
            row, column = divmod(number, _ACROSS)
            left = _MARGIN + column * (_side() + _GAP)
            _draw_picture(page, cell, left, top + row * _cell_height(shelf))
        return
    for cell in shelf.cells:
        _draw_text(page, cell, top)
        top += _LINE * (1 + bool(cell.note))


def _draw_picture(page: Page, cell: Cell, left: float, top: float) -> None:
    """Draw a picture whole in a frame of 4 × 3, and its numbers and name below."""
    side, tall = _side(), _side() * 0.75
    page.box(left, top, side, tall, fill=QUIET)
    if cell.picture is not None:
        picture = Image.open(io.BytesIO(cell.picture)).convert("RGB")
        scale = min(side / picture.width, tall / picture.height)
        width, height = picture.width * scale, picture.height * scale
        corner = left + (side - width) / 2, top + (tall - height) / 2
        pixels = np.asarray(picture)
        page.image(pixels, *corner, width, height, name=f"picture-{cell.place}", smooth=True)
    line = top + tall + _NUMBERS - 2
    page.text(left, line, str(cell.place), _SMALL, colour=MUTED)
    page.text(left + side, line, cell.score, _SMALL, weight="bold", align="right")
    for text, colour in ((cell.name, MUTED), (cell.note, INK)):
        line += _NAME
        page.text(left, line, page.face.shortened(text, side, _SMALL), _SMALL, colour=colour)


def _draw_text(page: Page, cell: Cell, top: float) -> None:
    line = top + 9
    page.text(_MARGIN + 14, line, str(cell.place), _SMALL, colour=MUTED, align="right")
    page.text(_MARGIN + 48, line, cell.score, _SMALL, weight="bold", align="right")
    left = _MARGIN + 58
    for text, colour in ((cell.name, INK), (cell.note, MUTED)):
        shown = page.face.shortened(text, _WIDTH - _MARGIN - left, _LARGE)
        page.text(left, line, shown, _LARGE, colour=colour)
        line += _LINE
