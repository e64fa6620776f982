"""The drawing of pairs: the picture, its ledger and caption, and the maps of some words."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import sqrt

import matplotlib
import numpy as np
from PIL import Image

from ._canvas import SETTINGS, NotebookFigure, Page
from ._caption import CaptionBlock
from ._colours import EDGE
from ._content import Content
from ._ledger import LedgerBlock
from ._maps import MapsBlock, draw_region, outline
from ._notes import NotesBlock, provenance_line
from ._sentence import Chip
from ._typeface import Typeface

_WIDTH = 504.0  # 7 inches
_MARGIN = 6.0
_GUTTER = 18.0  # between the picture and the text
_BETWEEN = 14.0  # blocks, from top to bottom
_SIDES = (122.0, 134.0, 148.0)  # of a square picture, smallest first
_CAPTION = 62.0  # height that the caption may always take
_FINEST = 4  # pixels of a picture to a point

_LOCK = threading.RLock()


@contextmanager
def default_settings() -> Iterator[None]:
    """Draw with matplotlib's defaults, whatever the user has set; one thread at a time."""
    with _LOCK, matplotlib.rc_context(SETTINGS):
        yield


def draw(
    content: Content, words: Sequence[Chip], region: Sequence[int] = (), *, dpi: float
) -> NotebookFigure:
    """Draw pairs; call it within ``default_settings``.

    Parameters
    ----------
    content
        The pairs.
    words
        The words whose maps are shown.
    region
        Patch numbers, row by row, to outline.
    dpi
        Of the figure.
    """
    about = provenance_line(content.about)
    extra = (content.why, *content.special_names)
    face = Typeface([content.caption, about, *extra, *(chip.text for chip in content.chips)])
    picture = _bounded(content.picture)
    limit = max([content.limit, *(float(np.abs(content.map(word)).max()) for word in words)])
    edges = outline(region, content.grid)
    maps = MapsBlock(content, words, picture, edges, limit, face, _WIDTH - 2 * _MARGIN)
    for side in _SIDES:
        width, height = _fitted(picture.width / picture.height, side)
        left = _MARGIN + width + _GUTTER
        available = _WIDTH - _MARGIN - left
        ledger = LedgerBlock(content.ledger, face, available)
        notes = NotesBlock(content, limit, about, face, available)
        used = ledger.height + notes.height + 2 * _BETWEEN
        caption = CaptionBlock(content, face, available, max(height - used, _CAPTION))
        if used + caption.height <= height and caption.large:
            break

    below_ledger = _MARGIN + ledger.height + _BETWEEN
    below_picture = _MARGIN + max(height, used + caption.height)
    below = below_picture + (_BETWEEN + maps.height if words else 0)
    page = Page(_WIDTH, below + _MARGIN, face, dpi)
    frame = _MARGIN, _MARGIN, width, height
    page.image(np.asarray(picture), *frame, name="picture", smooth=True)
    page.box(*frame, edge=EDGE, edge_width=0.4)
    draw_region(page, edges, content.grid, *frame)
    ledger.draw(page, left, _MARGIN)
    caption.draw(page, left, below_ledger)
    notes.draw(page, left, below_picture - notes.height)
    maps.draw(page, _MARGIN, below_picture + _BETWEEN)
    return page.figure


def _bounded(picture: Image.Image) -> Image.Image:
    """Return a picture with no more pixels than can be seen."""
    plain = picture.convert("RGB")
    side = 1.5 * _SIDES[-1] * _FINEST
    plain.thumbnail((side, side), Image.Resampling.LANCZOS)
    return plain


def _fitted(aspect: float, side: float) -> tuple[float, float]:
    """Return the picture's width and height: of about the same area whatever its proportions."""
    width = min(side * sqrt(aspect), 1.5 * side)
    height = min(width / aspect, 1.15 * side)
    return height * aspect, height
