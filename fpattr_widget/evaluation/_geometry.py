"""Map boxes of an image to patches of the part that the model sees."""

from collections.abc import Iterable

import numpy as np

from ._dataset import Box


def seen_boxes(boxes: Iterable[Box], crop: Box) -> tuple[Box, ...]:
    """Return the visible parts of boxes, as fractions of the crop's sides.

    Parameters
    ----------
    boxes
        ``(left, top, right, bottom)`` as fractions of the image's sides.
    crop
        The part of the image that the model sees, likewise.

    Returns
    -------
    tuple
        The boxes, cut at the crop's edges; those wholly outside it and those
        without any area are left out.
    """
    left, top, right, bottom = crop
    width, height = right - left, bottom - top
    seen = []
    for box in boxes:
        x1, x2 = (min(max((edge - left) / width, 0.0), 1.0) for edge in box[::2])
        y1, y2 = (min(max((edge - top) / height, 0.0), 1.0) for edge in box[1::2])
        if x1 < x2 and y1 < y2:
            seen.append((x1, y1, x2, y2))
    return tuple(seen)


def patches_across(boxes: Iterable[Box], grid: tuple[int, int]) -> np.ndarray:
    """Return which patches lie partly in a box and partly outside it, ``grid`` bool."""
    rows, columns = grid
    across = np.zeros(grid, bool)
    for left, top, right, bottom in boxes:
        down, along = _covered(top, bottom, rows), _covered(left, right, columns)
        share = down[:, None] * along[None, :]
        across |= (share > 1e-6) & (share < 1 - 1e-6)
    return across


def _covered(start: float, stop: float, count: int) -> np.ndarray:
    """Return the share of each of ``count`` equal pieces of the unit interval that is covered."""
    edges = np.arange(count + 1) / count
    covered = np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start)
    return np.maximum(covered, 0) * count


def patches_in_boxes(boxes: Iterable[Box], grid: tuple[int, int]) -> np.ndarray:
    """Return which patches lie in at least one box, ``grid`` bool.

    A patch lies in a box that holds its centre. A box too small to hold any
    centre gets the patch that holds the box's centre, so that every box has at
    least one.

    Parameters
    ----------
    boxes
        As fractions of the sides of the picture that the grid covers.
    grid
        ``(rows, columns)``.
    """
    rows, columns = grid
    y = ((np.arange(rows) + 0.5) / rows)[:, None]
    x = ((np.arange(columns) + 0.5) / columns)[None, :]
    inside = np.zeros(grid, bool)
    for left, top, right, bottom in boxes:
        centres = (left <= x) & (x < right) & (top <= y) & (y < bottom)
        if not centres.any():
            row = min(int((top + bottom) / 2 * rows), rows - 1)
            column = min(int((left + right) / 2 * columns), columns - 1)
            centres[row, column] = True
        inside |= centres
    return inside
