"""Figures as files, without metadata on their author, place or time."""

import io
import re
from xml.sax.saxutils import escape

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from ._typeface import plain_text

_BITS = 6, 5  # of each channel of a light file, in the order in which they are tried
_HEAVY = 150_000  # bytes above which the next is tried


def figure_png(figure: Figure, *, light: bool = False) -> bytes:
    """Return a figure as a PNG file; a light one has fewer levels of colour, for a small file."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    if not light:
        return _png(image, figure.dpi)
    for bits in _BITS:
        data = _png(_with_fewer_levels(image, bits), figure.dpi)
        if len(data) <= _HEAVY:
            break
    return data


def svg(figure: Figure, title: str, description: str) -> bytes:
    """Return a figure as an SVG file: text as outlines, and a title for screen readers."""
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)
    labels = (
        f" <title>{escape(plain_text(title))}</title>\n"
        f" <desc>{escape(plain_text(description))}</desc>"
    )
    document = re.sub(r"<!DOCTYPE[^>]*>\s*", "", buffer.getvalue(), count=1)  # it names a server
    return re.sub(
        r"<svg ([^>]*)>", lambda tag: f'<svg role="img" {tag[1]}>\n{labels}', document, count=1
    ).encode()


def pdf(figure: Figure, title: str) -> bytes:
    """Return a figure as a PDF file, with TrueType fonts."""
    metadata = dict.fromkeys(("Creator", "Producer", "CreationDate", "ModDate"))
    buffer = io.BytesIO()
    FigureCanvasPdf(figure).print_pdf(buffer, metadata={**metadata, "Title": plain_text(title)})
    return buffer.getvalue()


def _with_fewer_levels(image: Image.Image, bits: int) -> Image.Image:
    highest = (1 << bits) - 1
    levels = [round(round(value / 255 * highest) / highest * 255) for value in range(256)]
    return image.point(levels * 3)


def _png(image: Image.Image, dpi: float) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", dpi=(dpi, dpi))
    return buffer.getvalue()
