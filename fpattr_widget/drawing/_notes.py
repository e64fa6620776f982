"""The scales of the colours, what they say, and the model and method of the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..encoders import shared_name
from ..pairs import About
from ._canvas import Page
from ._colours import MUTED, QUIET, heat
from ._content import Content
from ._heat import draw_hatching
from ._numbers import signed
from ._sentence import listed
from ._typeface import Typeface

_SIZE = 7.0
_LINE = 11.0
_SCALE = 70.0, 6.0  # width and height
_STEPS = 64
_SEPARATOR = " · "
_SURE = 0.97  # of the width: letters of small type may be drawn a little wider than measured


@dataclass(frozen=True)
class Scale:
    """A scale of colours: what it is of, and where it ends; 0 if nothing has its colours."""

    name: str
    limit: float


def provenance_line(about: About, unit_label: str = "") -> str:
    """Return model, method, layers and unit on one line."""
    parts = shared_name(about.model), about.method, about.layers, unit_label
    return _SEPARATOR.join(part for part in parts if part)


class NotesBlock:
    """The parts of all pairs, the scales and what red says; below, the model and the method.

    Parameters
    ----------
    content
        What is drawn.
    scales
        Of the maps.
    face
        Of the text.
    available
        Width, in points.
    """

    def __init__(self, content: Content, scales: Sequence[Scale], face: Typeface, available: float):
        self._face = face
        available *= _SURE
        splits = [content.split, content.short_split] if len(content.split) > 1 else []
        texts = [_parts_line(parts) for parts in splits if len(parts) > 1]
        line = _first_fitting(texts, face, available)
        lines = [line] if line else _wrapped(texts[-1], face, available) if texts else []
        if content.match_and_routing:
            lines.append(_parts_line(content.match_and_routing))
        senses = [text for text in (content.sense, content.plain_sense) if text]
        if senses:
            line = _first_fitting(senses, face, available)
            lines += [line] if line else _wrapped(senses[-1], face, available)
        self._lines = lines
        self._scales = [scale for scale in scales if scale.limit]
        about = provenance_line(content.about, content.unit_label)
        self._about = _wrapped(about, face, available)
        self._words = self._chip_line(content, available)
        scale_lines = len(self._scales) or bool(self._words)
        self.height = _LINE * (len(self._about) + scale_lines + len(self._lines))

    def _chip_line(self, content: Content, available: float) -> str:
        """Return where the scale of the words ends, in the longest form that fits."""
        if not content.chip_limit or not content.captions:
            return ""
        end = f"±{signed(content.chip_limit)[1:]}"
        sides = {part.side for part in content.captions}
        names = [group.name for group in content.groups(1 - min(sides))]
        whole = listed([f"all {names[0]}", *names[1:]]) if len(sides) == 1 else ""
        texts = [f"words ({whole}) {end}", f"words {end}"] if whole else [f"words {end}"]
        before = self._scales_width() if self._scales else 0.0
        return _first_fitting(texts, self._face, available - before)

    def _scales_width(self) -> float:
        """Return the width of the scales with their names and ends, and of a gap after them."""
        texts = [(one.name, signed(-one.limit), signed(one.limit)) for one in self._scales]
        widths = [[self._face.width(text, _SIZE) for text in several] for several in texts]
        return float(np.max(widths, axis=0).sum()) + _SCALE[0] + 28

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        base = y + _LINE - 2.5
        for line in self._lines:
            page.text(x, base, line, _SIZE, colour=MUTED)
            base += _LINE
        end = x
        for number, scale in enumerate(self._scales):
            end = self._draw_scale(page, scale, x, base, number)
            base += _LINE
        if self._words:
            page.text(end, base - _LINE * bool(self._scales), self._words, _SIZE, colour=MUTED)
        for above, line in enumerate(reversed(self._about)):
            page.text(x, y + self.height - 2.5 - _LINE * above, line, _SIZE, colour=MUTED)

    def _draw_scale(self, page: Page, scale: Scale, x: float, base: float, number: int) -> float:
        """Draw a scale with its ends and return where it ends."""
        low, high = signed(-scale.limit), signed(scale.limit)
        page.text(x, base, scale.name, _SIZE, colour=MUTED)
        x += max(self._face.width(one.name, _SIZE) for one in self._scales) + 6
        x += max(self._face.width(signed(-one.limit), _SIZE) for one in self._scales) + 4
        page.text(x - 4, base, low, _SIZE, colour=MUTED, align="right")
        frame = x, base - _SCALE[1] + 0.4, *_SCALE
        page.box(*frame, fill=QUIET)
        values = np.linspace(-1, 1, _STEPS)[None]
        name = "scale" if not number else f"scale-{number}"
        page.image(heat(values, 1.0), *frame, name=name, smooth=False)
        draw_hatching(page, values[:, : _STEPS // 2], 1.0, (*frame[:2], _SCALE[0] / 2, _SCALE[1]))
        x += _SCALE[0] + 4
        page.text(x, base, high, _SIZE, colour=MUTED)
        return x + self._face.width(high, _SIZE) + 14


def _wrapped(line: str, face: Typeface, available: float) -> list[str]:
    """Return a line in two where it does not fit, broken between its parts."""
    first, rest = line.split(_SEPARATOR), list[str]()
    while len(first) > 1 and face.width(_SEPARATOR.join(first), _SIZE) > available:
        rest.insert(0, first.pop())
    lines = [_SEPARATOR.join(parts) for parts in (first, rest) if parts]
    return [face.shortened(one, available, _SIZE) for one in lines]


def _first_fitting(texts: Sequence[str], face: Typeface, available: float) -> str:
    return next((text for text in texts if face.width(text, _SIZE) <= available), "")


def _parts_line(parts: list[tuple[str, float]]) -> str:
    return "pairs: " + " · ".join(f"{name} {signed(value)}" for name, value in parts)
