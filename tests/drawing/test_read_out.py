"""The drawing of a read-out, compared with its numbers."""

import numpy as np
import pytest
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from fpattr_widget.drawing import plot_read_out
from fpattr_widget.encoders import ReadOut

WEIGHTS = np.array([[0.6, 0.1, 0.1, 0.2], [0.2, 0.1, 0.1, 0.2]])
PARTS = np.array([[0.3, -0.1, 0.0, 0.0], [0.1, 0.0, -0.1, 0.05]])
NAMED = ReadOut(
    ("head 1", "head 2"), ("one", "<b>two", "$x$", "four"), None, WEIGHTS, None, PARTS, 0.0, 0.25
)
PATCHES = ReadOut(
    ("head 1", "head 2"), (), (2, 2), WEIGHTS, np.array([0.0, 0.4]), PARTS, -0.05, 0.2,
    {"without the caption's choice": 0.11},
)  # fmt: skip


def bar(figure, name: str):
    (found,) = [one for one in figure.findobj(Rectangle) if one.get_gid() == name]
    return found.get_bbox()


def texts(figure) -> set[str]:
    return {artist.get_text() for artist in figure.findobj(Text)}


def test_bars_are_weights_and_signed_parts():
    figure = plot_read_out(NAMED)
    widths = [bar(figure, f"weight-place-{number}").width for number in range(4)]
    np.testing.assert_allclose(np.array(widths) / widths[0], [1, 0.25, 0.25, 0.5])
    zero = (bar(figure, "zero").x0 + bar(figure, "zero").x1) / 2
    ends = [bar(figure, f"adds-place-{number}") for number in range(4)]
    unit = ends[0].width / 0.4
    for box, part in zip(ends, NAMED.contributions_of_places, strict=True):
        start, stop = sorted((zero, zero + unit * part))
        assert (box.x0, box.x1) == pytest.approx((start, stop), abs=0.01)
    said = texts(figure)
    assert {"0.25", "one", "<b>two", "$x$", "+0.400", "−0.100", "+0.050", "0.40"} <= said
    assert (
        f"read on average: {NAMED.effective_places:.1f} of 4 places, by the entropy of their "
        "shares" in said
    )
    assert not said & {"nowhere", "whatever is read"}


def test_patches_are_maps_over_the_picture_and_nowhere_is_shown():
    picture = Image.new("RGB", (40, 20), (200, 10, 10))
    figure = plot_read_out(PATCHES, picture)
    images = {one.get_gid(): one for one in figure.findobj(AxesImage)}
    assert set(images) == {
        "under-weights", "map-weights", "under-contributions", "map-contributions"
    }  # fmt: skip
    left, right, bottom, top = images["map-weights"].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(2)
    shades = images["map-weights"].get_array()[..., 3].astype(float)
    np.testing.assert_allclose(shades / shades[0, 0], [[1, 0.25], [0.25, 0.5]], atol=0.01)
    reds = images["map-contributions"].get_array()
    assert reds[0, 0, 0] > reds[0, 0, 2]  # red: adds
    assert reds[0, 1, 2] > reds[0, 1, 0]  # blue: takes away
    patches, nowhere = bar(figure, "weight-patches").width, bar(figure, "weight-nowhere").width
    assert nowhere / patches == pytest.approx(0.2 / 0.8)
    assert bar(figure, "adds-patches").width / bar(figure, "adds-constant").width == pytest.approx(
        5
    )
    said = texts(figure)
    assert {"nowhere", "whatever is read", "without the caption's choice 0.11"} <= said
    assert not {one.get_gid() for one in plot_read_out(PATCHES).findobj(AxesImage)} & {
        "under-weights", "under-contributions"
    }  # fmt: skip
