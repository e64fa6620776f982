"""What the colours mean, and where the numbers come from."""

import numpy as np

from ...encoders.names import shared_name
from ...pairs import About
from .canvas import MUTED, QUIET, Page
from .colours import heat
from .numbers import signed
from .typeface import Typeface

_SIZE = 7.0
_LINE = 11.0
_SCALE = 70.0, 6.0  # width and height
_STEPS = 64


def described(about: About) -> str:
    """Return model, method and layers on one line."""
    parts = shared_name(about.model), about.method, about.layers
    return " · ".join(part for part in parts if part)


class NotesBlock:
    """The scales, and below them the model.

    Parameters
    ----------
    limit, chip_limit
        Where the scales of patches and of words end; zero where nothing is known.
    about
        One line about the model.
    face
        Of the text.
    room
        Width, in points.
    """

    def __init__(self, limit: float, chip_limit: float, about: str, face: Typeface, room: float):
        self._limit, self._face = limit, face
        self._ends = signed(-limit), signed(limit)
        self._about = face.shortened(about, room, _SIZE)
        patches = sum(face.width(text, _SIZE) for text in ("patches", *self._ends)) + _SCALE[0] + 14
        texts = [f"words (sums over patches) ±{signed(chip_limit)[1:]}"]
        texts.append(texts[0].replace(" (sums over patches)", ""))
        fitting = (text for text in texts if patches + 14 + face.width(text, _SIZE) <= room)
        self._words = next(fitting, "") if chip_limit else ""
        self.height = 2 * _LINE if limit else _LINE

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        base = y + self.height - 2.5
        page.text(x, base, self._about, _SIZE, colour=MUTED)
        if self._limit:
            self._draw_scale(page, x, base - _LINE)

    def _draw_scale(self, page: Page, x: float, base: float) -> None:
        low, high = self._ends
        page.text(x, base, "patches", _SIZE, colour=MUTED)
        x += self._face.width("patches", _SIZE) + 6
        page.text(x, base, low, _SIZE, colour=MUTED)
        x += self._face.width(low, _SIZE) + 4
        frame = x, base - _SCALE[1] + 0.4, *_SCALE
        page.box(*frame, fill=QUIET)
        page.image(heat(np.linspace(-1, 1, _STEPS)[None], 1.0), *frame, name="scale", smooth=False)
        x += _SCALE[0] + 4
        page.text(x, base, high, _SIZE, colour=MUTED)
        x += self._face.width(high, _SIZE) + 14
        page.text(x, base, self._words, _SIZE, colour=MUTED)
