"""A map over a greyed picture: tints, and hatching over what is against, for print without hue."""

from collections.abc import Sequence

import numpy as np

from ._canvas import Page
from ._colours import EDGE, INK, WHITE, heat, is_against

_PERIOD = 3.2  # between lines of the hatching, in points
_LEAST = 1.2  # of a line, in points
_WIDTH = 0.35
_BRIGHT = 140.0  # of a ground from 0 to 255, on which lines are dark

Frame = tuple[float, float, float, float]


def draw_map(
    page: Page,
    values: np.ndarray,
    limit: float,
    frame: Frame,
    *,
    name: str,
    under: np.ndarray | None = None,
    under_name: str = "",
) -> None:
    """Draw a map.

    Parameters
    ----------
    page
        Where to.
    values
        ``(rows, columns)``; NaN has no colour.
    limit
        Of the scale.
    frame
        x, y, width and height.
    name, under_name
        Of the map and of the picture under it.
    under
        The greyed picture.
    """
    if under is not None:
        page.image(under, *frame, name=under_name, smooth=True)
    pixels = heat(np.nan_to_num(values), limit)
    page.image(pixels, *frame, name=name, smooth=False)
    draw_hatching(page, values, limit, frame, under)
    page.box(*frame, edge=EDGE, edge_width=0.4)


def draw_hatching(
    page: Page, values: np.ndarray, limit: float, frame: Frame, under: np.ndarray | None = None
) -> None:
    """Draw diagonal lines over what is clearly against, all light or all dark."""
    rows, columns = values.shape
    x, y, width, height = frame
    cell = width / columns, height / rows
    tints = heat(np.nan_to_num(values), limit).astype(float)
    segments: list[np.ndarray] = []
    grounds = []
    for row, column in np.argwhere(np.vectorize(is_against, otypes=[bool])(values, limit)):
        alpha = tints[row, column, 3] / 255
        ground = _brightness(under, row, column, values.shape)
        grounds.append(alpha * tints[row, column, :3].mean() + (1 - alpha) * ground)
        segments += _diagonals((x + column * cell[0], y + row * cell[1]), cell)
    if segments:
        colour = INK if float(np.mean(grounds)) > _BRIGHT else WHITE
        page.lines(np.array(segments), colour, _WIDTH, name="against", ends="butt")


def _brightness(under: np.ndarray | None, row: int, column: int, grid: tuple[int, int]) -> float:
    """Return the mean brightness of a picture under a patch; white if there is no picture."""
    if under is None:
        return 255.0
    height, width = under.shape[:2]
    top, left = row * height // grid[0], column * width // grid[1]
    bottom, right = (row + 1) * height // grid[0], (column + 1) * width // grid[1]
    return float(under[top : max(bottom, top + 1), left : max(right, left + 1), 0].mean())


def _diagonals(corner: tuple[float, float], cell: tuple[float, float]) -> list[np.ndarray]:
    """Return the parts in a cell of lines on which ``x + y`` is a multiple of the period."""
    (left, top), (width, height) = corner, cell
    right, bottom = left + width, top + height
    lines = []
    first, last = np.ceil((left + top) / _PERIOD), np.floor((right + bottom) / _PERIOD)
    for total in np.arange(first, last + 1) * _PERIOD:
        start, end = max(left, total - bottom), min(right, total - top)
        if (end - start) * 2**0.5 >= min(_LEAST, width / 2):
            lines.append(np.array([(start, total - start), (end, total - end)]))
    return lines


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


def draw_region(page: Page, edges: np.ndarray, grid: tuple[int, int], frame: Frame) -> None:
    """Draw an outline over a picture that stands in a frame."""
    if not len(edges):
        return
    x, y, width, height = frame
    placed = edges * (width / grid[1], height / grid[0]) + (x, y)
    page.lines(placed, INK, 2.0, name="region")
    page.lines(placed, WHITE, 0.9, name="region")
