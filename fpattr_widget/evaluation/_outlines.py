"""Boxes drawn on pictures."""

from collections.abc import Iterable

from PIL import Image, ImageDraw

from ._dataset import Box

_WIDTH = 1 / 300  # of the longer side


def outlined(picture: Image.Image, boxes: Iterable[Box]) -> Image.Image:
    """Return a picture with boxes outlined in black and white, visible on any ground.

    Parameters
    ----------
    picture
        RGB; it is not changed.
    boxes
        As fractions of its sides.
    """
    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    line = max(1, round(max(drawn.size) * _WIDTH))
    right, down = drawn.width - 1, drawn.height - 1
    for box in boxes:
        edges = [round(edge * last) for edge, last in zip(box, (right, down) * 2, strict=True)]
        pen.rectangle(edges, outline="white", width=3 * line)
        inner = [edges[0] + line, edges[1] + line, edges[2] - line, edges[3] - line]
        if inner[0] < inner[2] and inner[1] < inner[3]:
            pen.rectangle(inner, outline="black", width=line)
    return drawn
