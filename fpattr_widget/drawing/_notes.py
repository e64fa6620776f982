"""The scales of the colours, and the model and method of the numbers."""

import numpy as np

from ..encoders import shared_name
from ..pairs import About
from ._canvas import Page
from ._colours import MUTED, QUIET, heat
from ._content import Content
from ._numbers import signed
from ._sentence import listed
from ._typeface import Typeface

_SIZE = 7.0
_LINE = 11.0
_SCALE = 70.0, 6.0  # width and height
_STEPS = 64


def provenance_line(about: About) -> str:
    """Return model, method and layers on one line."""
    parts = shared_name(about.model), about.method, about.layers
    return " · ".join(part for part in parts if part)


class NotesBlock:
    """The parts of all pairs, the scales, and below them the model and the method.

    Parameters
    ----------
    content
        What is drawn.
    limit
        Of the scale of patches; zero if nothing is computed.
    about
        One line about the model.
    face
        Of the text.
    available
        Width, in points.
    """

    def __init__(
        self, content: Content, limit: float, about: str, face: Typeface, available: float
    ):
        self._limit, self._face = limit, face
        texts = [_parts_line(content.split), _parts_line(content.short_split)]
        fitting = (text for text in texts if face.width(text, _SIZE) <= available)
        split = next(fitting, face.shortened(texts[-1], available, _SIZE))
        self._split = split if len(content.split) > 1 else ""
        self._ends = signed(-limit), signed(limit)
        self._about = face.shortened(about, available, _SIZE)
        patches = sum(face.width(text, _SIZE) for text in ("patches", *self._ends)) + _SCALE[0] + 14
        chip_limit = content.chip_limit
        summed = listed(["all patches", *filter(None, [content.beside_patches])])
        end = f"±{signed(chip_limit)[1:]}"
        texts = [f"words ({summed}) {end}", f"words {end}"]
        fitting = (text for text in texts if patches + 14 + face.width(text, _SIZE) <= available)
        self._words = next(fitting, "") if chip_limit else ""
        self.height = _LINE * (1 + bool(limit) + bool(self._split))

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        base = y + self.height - 2.5
        page.text(x, base, self._about, _SIZE, colour=MUTED)
        page.text(x, y + _LINE - 2.5, self._split, _SIZE, colour=MUTED)
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


def _parts_line(parts: list[tuple[str, float]]) -> str:
    return "pairs: " + " · ".join(f"{name} {signed(value)}" for name, value in parts)
