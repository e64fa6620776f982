"""The drawing of pairs: pictures, captions and ledger, a matrix of words, and some maps."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib
import numpy as np

from ._canvas import SETTINGS, NotebookFigure, Page
from ._caption import CaptionBlock, drawn_captions
from ._content import Content
from ._items import Item
from ._ledger import LedgerBlock
from ._maps import MapsBlock
from ._matrix import MatrixBlock
from ._notes import NotesBlock, Scale, provenance_line
from ._pictures import PicturesBlock, drawables
from ._typeface import Typeface

_WIDTH = 504.0  # 7 inches
_MARGIN = 6.0
_GUTTER = 18.0  # between the pictures and the text
_BETWEEN = 14.0  # blocks, from top to bottom
_SIDES = (122.0, 134.0, 148.0)  # of a square picture, smallest first
_CAPTION = 62.0  # height that a caption may always take
_NEXT_CAPTION = 26.0  # and each further one
_ROOM = 268.0  # width of several pictures beside the text
_NARROWEST = 196.0  # text beside pictures
_STRIP = 112.0  # height of pictures above the text

_LOCK = threading.RLock()


@contextmanager
def default_settings() -> Iterator[None]:
    """Draw with matplotlib's defaults, whatever the user has set; one thread at a time."""
    with _LOCK, matplotlib.rc_context(SETTINGS):
        yield


def draw(
    content: Content,
    items: Sequence[Item],
    rows: Sequence[int] = (),
    columns: Sequence[int] = (),
    *,
    dpi: float,
) -> NotebookFigure:
    """Draw pairs; call it within ``default_settings``.

    Parameters
    ----------
    content
        The pairs.
    items
        Whose maps are shown.
    rows, columns
        Features that are chosen: patches are outlined, and words of a matrix emphasised.
    dpi
        Of the figure.
    """
    face = Typeface(_texts(content, items))
    chosen = set(rows), set(columns)
    drawn = drawables(content, chosen)
    whole, single = _limits(content, items)
    scales = _scales(content, whole, single, has_items=bool(items))
    width = _WIDTH - 2 * _MARGIN
    has_photographs = bool(drawn) and content.shows_photographs_below
    matrix: MatrixBlock | None = None
    if content.captions_on(0) and content.captions_on(1):
        matrix = MatrixBlock(content, face, width, chosen)
        scales = [*scales, Scale("words × words", matrix.limit)]

    beside = len(drawn) <= 2
    allowance = _CAPTION + _NEXT_CAPTION * max(len(drawn_captions(content)) - 1, 0)
    for side in _SIDES:
        pictures: PicturesBlock | None = None
        left, pictures_height, available = _MARGIN, 0.0, width
        if drawn:
            tallest, room = (side, _ROOM) if beside else (_STRIP, width)
            pictures = PicturesBlock(content, drawn, items, whole, face, tallest, room)
            if beside:
                left = _MARGIN + pictures.width + _GUTTER
                available = _WIDTH - _MARGIN - left
                pictures_height = pictures.height
        ledger = LedgerBlock(content, face, available)
        notes = NotesBlock(content, scales, face, available)
        maps = MapsBlock(
            content, items, drawn, single, face, width if content.captions else available,
            has_photographs=has_photographs, heading=_heading(content, items),
        )  # fmt: skip
        used = ledger.height + notes.height + 2 * _BETWEEN
        if not content.captions and items:
            used += maps.height + _BETWEEN
        caption = CaptionBlock(content, face, available, max(pictures_height - used, allowance))
        if used + caption.height <= pictures_height and caption.large:
            break

    top = _MARGIN
    if pictures and not beside:
        top += pictures.height + _BETWEEN
    text_height = used + caption.height if caption.height else used - _BETWEEN
    bottom = top + max(pictures_height, text_height)
    below = bottom
    has_maps = bool(items) or has_photographs
    blocks = [block for block in (matrix, maps if has_maps and content.captions else None) if block]
    for block in blocks:
        below += _BETWEEN + block.height
    page = Page(_WIDTH, below + _MARGIN, face, dpi)
    if pictures:
        pictures.draw(page, _MARGIN, _MARGIN)
    ledger.draw(page, left, top)
    caption.draw(page, left, top + ledger.height + _BETWEEN)
    notes.draw(page, left, bottom - notes.height)
    if has_maps and not content.captions:
        maps.draw(page, left, top + ledger.height + _BETWEEN)
    for block in blocks:
        block.draw(page, _MARGIN, bottom + _BETWEEN)
        bottom += _BETWEEN + block.height
    return page.figure


def _texts(content: Content, items: Sequence[Item]) -> list[str]:
    """Return all texts that may be written."""
    folds = [fold.name for side in content.sides for fold in side.folds]
    names = [name for part in content.pictures for name in part.special]
    chips = [chip.text for part in content.captions for chip in part.chips]
    captions = [part.caption for part in content.captions]
    about = provenance_line(content.about, content.unit_label)
    own = [content.sense, *(item.title for item in items)]
    return [*captions, *chips, *folds, *names, about, content.why, *own]


def _heading(content: Content, items: Sequence[Item]) -> str:
    """Return what small maps of parts of pictures are."""
    if not items or not all(item.is_region for item in items):
        return ""
    names = [content.side_name(side).replace("image", "picture") for side in (0, 1)]
    first = items[0].side
    return f"parts of the {names[first]}, over the {names[1 - first]}"


def _limits(content: Content, items: Sequence[Item]) -> tuple[float, float]:
    """Return the limits of the scales of maps of a whole side, and of single features.

    They are one, unless the features are parts of a picture, which are weak beside the whole.
    """
    whole = 0.0
    if not content.is_caption_on_picture:
        whole = max((_largest(content.total_map(part)) for part in content.pictures), default=0.0)
    single = max(
        (
            _largest(one)
            for item in items
            for one in content.maps(item.side, item.features).values()
        ),
        default=0.0,
    )
    single = max(single, content.token_limit)
    if items and all(item.is_region for item in items):
        shares = [len(item.features) / len(content.sides[item.side].features) for item in items]
        return content.map_limit(whole), content.map_limit(single, max(shares))
    both = content.map_limit(max(whole, single))
    return both, both


def _scales(content: Content, whole: float, single: float, *, has_items: bool) -> list[Scale]:
    if not content.pictures:
        return []
    if whole == single:
        return [Scale("patches", whole)]
    scales = [Scale("patches, whole", whole)]
    return [*scales, Scale("patches, parts", single)] if has_items else scales


def _largest(values: np.ndarray) -> float:
    return float(np.abs(np.nan_to_num(values)).max(initial=0.0))
