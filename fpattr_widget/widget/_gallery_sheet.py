"""The drawing of a gallery for places that show no widgets."""

from collections.abc import Sequence

from ..drawing import Cell, Cells, contact_sheet
from ._gallery_items import Shelf, score_text
from ._thumbnails import Thumbnails

_DRAWN = 10  # items of a shelf


def gallery_sheet(shelves: Sequence[Shelf], thumbnails: Thumbnails) -> bytes:
    """Return a drawing of the first items of each shelf as a PNG."""
    return contact_sheet([_cells(shelf, thumbnails) for shelf in shelves])


def _cells(shelf: Shelf, thumbnails: Thumbnails) -> Cells:
    cells = [
        Cell(
            number if item.place is None else item.place,
            score_text(item.score),
            item.name if item.picture is not None else item.text or item.name,
            None if item.picture is None else thumbnails.get(item.picture),
            item.note,
        )
        for number, item in enumerate(shelf.items[:_DRAWN], start=1)
    ]
    are_pictures = all(item.picture is not None for item in shelf.items)
    return Cells(shelf.title, cells, max(0, len(shelf.items) - _DRAWN), are_pictures)
