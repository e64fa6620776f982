"""Place text, boxes and images on a figure, in points from its top left corner."""

import io
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
from matplotlib.text import Text

from ._colours import INK, Rgb
from ._typeface import Typeface

_POINTS = 72  # in an inch

#: matplotlib's defaults where a user may have changed them, and what makes files reproducible.
SETTINGS: Any = {
    **{
        name: matplotlib.rcParamsDefault[name]
        for name in (
            "agg.path.chunksize", "figure.autolayout", "figure.constrained_layout.use",
            "hatch.linewidth", "path.effects", "path.simplify", "path.simplify_threshold",
            "path.sketch", "path.snap", "pdf.compression", "pdf.inheritcolor",
            "pdf.use14corefonts", "svg.image_inline", "text.antialiased", "text.hinting",
            "text.kerning_factor",
        )
    },
    "pdf.fonttype": 42,  # publishers refuse the default
    "svg.fonttype": "path",
    "svg.hashsalt": "fpattr_widget",
}  # fmt: skip


def rgb(colour: Rgb) -> tuple[float, float, float]:
    """Return a colour as matplotlib takes it."""
    red, green, blue = (channel / 255 for channel in colour)
    return red, green, blue


class NotebookFigure(Figure):
    """A matplotlib figure that a notebook shows, with or without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", bbox_inches=None, backend="agg")
        return buffer.getvalue()


class Page:
    """Adds artists to a new figure, each above those before.

    Parameters
    ----------
    width, height
        In points.
    face
        For all text.
    dpi
        Of the figure.
    """

    def __init__(self, width: float, height: float, face: Typeface, dpi: float):
        self.face = face
        self.figure = NotebookFigure(
            figsize=(width / _POINTS, height / _POINTS), dpi=dpi, facecolor="white",
            edgecolor="white", linewidth=0, frameon=True,
        )  # fmt: skip
        FigureCanvasAgg(self.figure)
        self.figure.suppressComposite = True
        self._axes: Axes = self.figure.add_axes((0, 0, 1, 1), frameon=False)
        self._axes.set_axis_off()
        self._axes.set_xlim(0, width, auto=False)
        self._axes.set_ylim(height, 0, auto=False)

    def _add(self, artist: Artist) -> None:
        artist.set_zorder(1)
        self._axes.add_artist(artist)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        colour: Rgb = INK,
        weight: str = "normal",
        align: Literal["left", "center", "right"] = "left",
        upright: bool = False,
    ) -> None:
        """Write text literally, on the base line ``y``; upright, from there to the top."""
        if not text:
            return
        self._add(
            Text(
                x, y, self.face.shown(text, weight), color=rgb(colour),
                fontproperties=self.face.properties(size, weight), horizontalalignment=align,
                verticalalignment="baseline", parse_math=False, usetex=False, antialiased=True,
                rotation=90 if upright else 0, clip_on=False,
            )
        )  # fmt: skip

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: Rgb | None = None,
        edge: Rgb | None = None,
        edge_width: float = 0.5,
        radius: float = 0.0,
        name: str | None = None,
        dotted: bool = False,
    ) -> None:
        """Draw a rectangle, with an edge inside it or none."""
        inset = edge_width / 2 if edge else 0.0
        corner = x + inset, y + inset
        size = width - 2 * inset, height - 2 * inset
        style: dict[str, Any] = {
            "facecolor": rgb(fill) if fill else "none",
            "edgecolor": rgb(edge) if edge else "none",
            "linewidth": edge_width if edge else 0,
            "linestyle": (0, (1, 1.4)) if dotted else "solid",
            "gid": name,
        }
        if radius:
            rounded = f"round,pad=0,rounding_size={min(radius, size[0] / 2, size[1] / 2)}"
            shape: Any = FancyBboxPatch(corner, *size, boxstyle=rounded, **style)
        else:
            shape = Rectangle(corner, *size, **style)
        self._add(shape)

    def polygon(self, corners: Sequence[tuple[float, float]], fill: Rgb, name: str) -> None:
        """Draw a filled shape."""
        shape = Polygon(corners, facecolor=rgb(fill), edgecolor="none", linewidth=0, gid=name)
        self._add(shape)

    def lines(
        self,
        segments: np.ndarray,
        colour: Rgb,
        width: float,
        *,
        name: str | None = None,
        ends: Literal["projecting", "butt"] = "projecting",
    ) -> None:
        """Draw straight lines, ``(n, 2, 2)``, by default with ends that meet at corners."""
        self._add(
            LineCollection(
                list(segments), colors=[rgb(colour)], linewidths=width,
                capstyle=ends, linestyles="solid", antialiaseds=True, gid=name,
            )
        )  # fmt: skip

    def image(
        self,
        pixels: np.ndarray,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        name: str,
        smooth: bool,
    ) -> None:
        """Place an image, ``(h, w, 3 or 4)`` uint8, in a frame."""
        image = AxesImage(
            self._axes, interpolation="hanning" if smooth else "nearest", origin="upper",
            extent=(x, x + width, y + height, y), resample=True, filternorm=True,
            interpolation_stage="rgba", gid=name,
        )  # fmt: skip
        image.set_data(pixels)
        self._add(image)
