"""The drawing of a read-out: how much of each place is read, and what that adds to the score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..encoders import ReadOut
from ._canvas import NotebookFigure, Page
from ._colours import (
    EDGE,
    GREYS,
    INK,
    MUTED,
    NEGATIVE,
    POSITIVE,
    QUIET,
    STRONGEST,
    greyed,
)
from ._heat import Frame, draw_map
from ._numbers import fixed, is_nothing, plain, signed
from ._typeface import Typeface

_WIDTH = 504.0  # 7 inches
_MARGIN = 6.0
_NUMBER = 23.0  # sizes of text
_SMALL = 7.0
_HEAD = 46.0  # height above the bars
_LINE = 11.0
_THICK = 6.0  # of a bar
_GAP = 12.0
_DIGITS = 30.0  # width of a number beside a bar
_MAP = 160.0  # height of a map
_ABOVE_MAP = 13.0


@dataclass(frozen=True)
class _Row:
    """A bar of the weight, a bar of the contribution, or both; NaN for none."""

    key: str
    name: str
    weight: float
    contribution: float


def draw_read_out(read_out: ReadOut, picture: Image.Image | None, dpi: float) -> NotebookFigure:
    """Draw a read-out; call it within ``default_settings``.

    Parameters
    ----------
    read_out
        What is drawn.
    picture
        What lies under maps of patches; ``None`` for nothing.
    dpi
        Of the figure.
    """
    rows = _rows(read_out)
    head = _head(read_out)
    face = Typeface([*head, *(row.name for row in rows)])
    maps = read_out.grid is not None
    above = _HEAD + (_ABOVE_MAP + _MAP + _GAP if maps else 0.0)
    page = Page(_WIDTH, above + _LINE * (len(rows) + 1) + 2 * _MARGIN, face, dpi)
    page.text(_MARGIN - 1, _MARGIN + 17.5, plain(read_out.similarity), _NUMBER, weight="bold")
    number = face.width(plain(read_out.similarity), _NUMBER, "bold") + 14
    for line, text in enumerate(head):
        page.text(_MARGIN + number, _MARGIN + 8 + _LINE * line, text, _SMALL, colour=MUTED)
    if maps:
        _draw_maps(page, read_out, picture, _MARGIN + _HEAD)
    _draw_rows(page, rows, _MARGIN + above)
    return page.figure


def _head(read_out: ReadOut) -> list[str]:
    """Return what is said beside the score: how much is read, and other scores of the pair."""
    count = len(read_out.mean_weights)
    what = "patches" if read_out.grid else "places"
    effective = fixed(read_out.effective_places, 1)
    lines = ["cosine similarity, the sum of all contributions"]
    lines.append(f"read on average: {effective} of {count} {what}, by the entropy of their shares")
    others = [f"{name} {plain(value)}" for name, value in read_out.compared.items()]
    return [*lines, " · ".join(others)] if others else lines


def _rows(read_out: ReadOut) -> list[_Row]:
    """Return the bars: of each place that has a name, of nowhere and of the constant part."""
    places = zip(
        read_out.places,
        read_out.mean_weights,
        read_out.contributions_of_places,
        strict=False,
    )
    rows = [
        _Row(f"place-{number}", name, float(weight), float(contribution))
        for number, (name, weight, contribution) in enumerate(places)
    ]
    if read_out.grid is not None:
        total = read_out.mean_weights.sum(), read_out.contributions.sum()
        rows.append(_Row("patches", "all patches", *map(float, total)))
    if read_out.nowhere is not None:
        rows.append(_Row("nowhere", "nowhere", float(read_out.nowhere.mean()), np.nan))
    if not is_nothing(read_out.constant):
        rows.append(_Row("constant", "whatever is read", np.nan, read_out.constant))
    return rows


def _draw_maps(page: Page, read_out: ReadOut, picture: Image.Image | None, top: float) -> None:
    assert read_out.grid is not None
    rows, columns = read_out.grid
    shape = (columns, rows) if picture is None else picture.size
    width = min(_MAP * shape[0] / shape[1], (_WIDTH - 2 * _MARGIN - _GAP) / 2)
    height = width * shape[1] / shape[0]
    under = None if picture is None else greyed(np.asarray(picture.convert("RGB")))
    weights, contributions = (
        values.reshape(read_out.grid)
        for values in (read_out.mean_weights, read_out.contributions_of_places)
    )
    most, limit = float(weights.max()), float(np.abs(contributions).max())
    frame: Frame = _MARGIN, top + _ABOVE_MAP, width, height
    page.text(_MARGIN, top + 7, f"mean weight, up to {plain(most)}", _SMALL, colour=MUTED)
    if under is not None:
        page.image(under, *frame, name="under-weights", smooth=True)
    page.image(_shades(weights, most), *frame, name="map-weights", smooth=False)
    page.box(*frame, edge=EDGE, edge_width=0.4)
    left = _MARGIN + width + _GAP
    page.text(left, top + 7, f"adds to the score, ±{signed(limit)[1:]}", _SMALL, colour=MUTED)
    draw_map(
        page,
        contributions,
        limit,
        (left, *frame[1:]),
        name="map-contributions",
        under=under,
        under_name="under-contributions",
    )


def _shades(weights: np.ndarray, most: float) -> np.ndarray:
    """Return weights as RGBA, in the ink's colour: they have no sign."""
    pixels = np.zeros((*weights.shape, 4))
    pixels[..., :3] = INK
    pixels[..., 3] = 255 * STRONGEST * weights / (most or 1)
    return pixels.round().astype(np.uint8)


def _draw_rows(page: Page, rows: Sequence[_Row], top: float) -> None:
    """Draw the names, the bars of the weights, and those of the contributions about zero."""
    face = page.face
    names = min(max((face.width(row.name, _SMALL) for row in rows), default=0.0), 140.0) + 8
    room = (_WIDTH - 2 * _MARGIN - names - 2 * _DIGITS - _GAP) / 2
    weights, contributions = (
        np.nan_to_num([getattr(row, name) for row in rows]) for name in ("weight", "contribution")
    )
    most = float(weights.max(initial=0.0)) or 1.0
    least, largest = (
        float(end) for end in (contributions.min(initial=0), contributions.max(initial=0))
    )
    extent = (largest - least) or 1.0
    first = _MARGIN + names
    second = first + room + _DIGITS + _GAP
    zero = second + room * -least / extent
    page.text(first, top + 7, "mean weight", _SMALL, colour=MUTED)
    page.text(second, top + 7, "adds to the score", _SMALL, colour=MUTED)
    for number, row in enumerate(rows):
        base = top + _LINE * (number + 1)
        name = face.shortened(row.name, names - 8, _SMALL)
        page.text(_MARGIN, base + 7, name, _SMALL, colour=INK)
        if not np.isnan(row.weight):
            page.box(first, base + 1, room, _THICK, fill=QUIET)
            width = room * row.weight / most
            page.box(first, base + 1, width, _THICK, fill=GREYS[0], name=f"weight-{row.key}")
            page.text(first + room + 4, base + 7, plain(row.weight), _SMALL, colour=MUTED)
        if not np.isnan(row.contribution):
            width = room * abs(row.contribution) / extent
            left = zero - width if row.contribution < 0 else zero
            fill = NEGATIVE if row.contribution < 0 else POSITIVE
            page.box(left, base + 1, width, _THICK, fill=fill, name=f"adds-{row.key}")
            page.text(second + room + 4, base + 7, signed(row.contribution), _SMALL, colour=MUTED)
    page.box(zero - 0.3, top + _LINE, 0.6, _LINE * len(rows), fill=INK, name="zero")
