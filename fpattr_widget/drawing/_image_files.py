"""Figures as files, with nothing in them about who drew them, where or when."""

import io
import re
from xml.sax.saxutils import escape

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from ._typeface import plain_text

_BITS = 6, 5  # of each channel of a light file
_HEAVY = 150_000  # bytes above which the last is tried


def figure_png(figure: Figure, *, light: bool = False) -> bytes:
    """Return a figure as a PNG file; a light one has levels of colour that differ visibly."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    if not light:
        return _packed(image, figure.dpi)
    for bits in _BITS:
        data = _packed(_levelled(image, bits), figure.dpi)
        if len(data) <= _HEAVY:
            break
    return data


def svg(figure: Figure, title: str, description: str) -> bytes:
    """Return a figure as an SVG file, all text as outlines, with a title for who cannot see it."""
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)
    said = (
        f" <title>{escape(plain_text(title))}</title>\n"
        f" <desc>{escape(plain_text(description))}</desc>"
    )
    drawn = re.sub(r"<!DOCTYPE[^>]*>\s*", "", buffer.getvalue(), count=1)  # it names a server
    return re.sub(
        r"<svg ([^>]*)>", lambda tag: f'<svg role="img" {tag[1]}>\n{said}', drawn, count=1
    ).encode()


def pdf(figure: Figure, title: str) -> bytes:
    """Return a figure as a PDF file, with TrueType fonts."""
    metadata = dict.fromkeys(("Creator", "Producer", "CreationDate", "ModDate"))
    buffer = io.BytesIO()
    FigureCanvasPdf(figure).print_pdf(buffer, metadata={**metadata, "Title": plain_text(title)})
    return buffer.getvalue()


def _levelled(image: Image.Image, bits: int) -> Image.Image:
    most = (1 << bits) - 1
    levels = [round(round(value / 255 * most) / most * 255) for value in range(256)]
    return image.point(levels * 3)


def _packed(image: Image.Image, dpi: float) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", dpi=(dpi, dpi))
    return buffer.getvalue()
