"""The similarity, and its ledger as one bar: parts that add up, on both sides of a zero line."""

from dataclasses import dataclass

from ..pairs import Ledger
from ._canvas import Page
from ._colours import GREYS, INK, MUTED, NEGATIVE, POSITIVE, QUIET, WHITE, Rgb
from ._numbers import plain
from ._typeface import Typeface

_NAMES: dict[str, tuple[str, Rgb]] = {
    "pairs": ("pairs", POSITIVE),
    "rows_only": ("caption alone", GREYS[0]),
    "columns_only": ("image alone", GREYS[1]),
    "baseline": ("baseline", GREYS[2]),
    "residual": ("residual", WHITE),
}
_VISIBLE = 0.005  # a smaller residual would read 0.00

#: Share of what the parts amount to, that a residual may have: beyond it
#: nothing is explained.
TOLERATED = 0.5

_NUMBER = 23.0  # sizes of text
_SMALL = 7.0
_SIZES = (7.0, 6.75, 6.5)  # of the parts' names
_THICK = 7.0  # of the bar
_LINE = 11.5
_BETWEEN = 9.0  # entries
_SWATCH = 5.5


@dataclass(frozen=True)
class Part:
    """A part of the ledger; ``left`` and ``width`` are shares of the bar."""

    key: str
    name: str
    value: float
    fill: Rgb
    left: float
    width: float


@dataclass(frozen=True)
class Bar:
    """The parts, and where zero and the similarity stand, as shares of the bar."""

    parts: list[Part]
    zero: float
    total: float


def ledger_bar(ledger: Ledger) -> Bar:
    """Stack positive parts to the right of zero and negative ones to its left."""
    values = {key: getattr(ledger, key) for key in _NAMES}
    if abs(ledger.residual) < _VISIBLE:
        del values["residual"]
    size = sum(map(abs, values.values())) or 1.0
    zero = sum(-value for value in values.values() if value < 0) / size
    left = right = zero
    parts = []
    for key, value in values.items():
        width = abs(value) / size
        start = left - width if value < 0 else right
        left, right = (start, right) if value < 0 else (left, start + width)
        name, fill = _NAMES[key]
        if key == "pairs" and value < 0:
            fill = NEGATIVE
        parts.append(Part(key, name, value, fill, start, width))
    return Bar(parts, zero, zero + ledger.similarity / size)


def adds_up(ledger: Ledger) -> bool:
    """Return whether a ledger's parts make up the similarity, but for an error."""
    parts = ledger.pairs, ledger.rows_only, ledger.columns_only, ledger.baseline
    return abs(ledger.residual) <= TOLERATED * sum(map(abs, parts))


def does_not_add_up(ledger: Ledger) -> tuple[str, str]:
    """Return in two lines what a ledger whose parts are no parts leaves."""
    return (
        "The pairs of this method do not add up to the similarity:",
        f"their sum is {plain(ledger.pairs)}, which leaves {plain(ledger.residual)}.",
    )


class LedgerBlock:
    """The similarity to the left of its ledger.

    Parameters
    ----------
    ledger
        ``None`` if it is not computed.
    face
        Of the text.
    available
        Width, in points.
    """

    def __init__(self, ledger: Ledger | None, face: Typeface, available: float):
        self._number = "–" if ledger is None else plain(ledger.similarity)
        self._label = "cosine similarity" if ledger else "similarity not computed"
        self._bar = ledger_bar(ledger) if ledger and adds_up(ledger) else None
        self._warning: tuple[str, ...] = ()
        if ledger and not self._bar:
            self._warning = does_not_add_up(ledger)
        number = face.width(self._number, _NUMBER, "bold")
        self._score = max(number, face.width(self._label, _SMALL)) + 16
        self._bar_width = available - self._score
        for self._size in _SIZES:
            self._entries, last = self._flow(face)
            if last == 0:
                break
        else:
            self._size = _SMALL
            self._entries, last = self._flow(face)
        self.height = max(30.0, 25.0 + _LINE * last)

    def _flow(self, face: Typeface) -> tuple[list[tuple[Part, str, float, int]], int]:
        """Return each part's name and where it stands, and the number of the last line."""
        entries, x, line = [], 0.0, 0
        for part in self._bar.parts if self._bar else ():
            text = f"{part.name} {plain(part.value)}"
            width = _SWATCH + 3.5 + face.width(text, self._size)
            if x and x + width > self._bar_width:
                x, line = 0.0, line + 1
            entries.append((part, text, x, line))
            x += width + _BETWEEN
        return entries, line

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its top left corner at a place."""
        page.text(x - 1, y + 17.5, self._number, _NUMBER, weight="bold")
        page.text(x, y + 28, self._label, _SMALL, colour=MUTED)
        for number, text in enumerate(self._warning):
            page.text(x + self._score, y + 11 + _LINE * number, text, _SMALL, colour=MUTED)
        if self._bar is None:
            return
        left, top = x + self._score, y + 3.5
        page.box(left, top, self._bar_width, _THICK, fill=QUIET, radius=1)
        for part in self._bar.parts:
            start, width = left + part.left * self._bar_width, part.width * self._bar_width
            edge = MUTED if part.key == "residual" else None
            name = f"ledger-{part.key}"
            page.box(
                start, top, width, _THICK, fill=part.fill, edge=edge, edge_width=0.6, name=name
            )
        for part in self._bar.parts:  # a white line between parts
            if part.left > 1e-6:
                page.box(left + part.left * self._bar_width - 0.3, top, 0.6, _THICK, fill=WHITE)
        zero = left + self._bar.zero * self._bar_width
        page.box(zero - 0.6, top - 2.5, 1.2, _THICK + 5, fill=INK, name="ledger-zero")
        tip, base = left + self._bar.total * self._bar_width, top + _THICK + 5
        corners = [(tip, base - 4), (tip - 3, base), (tip + 3, base)]
        page.polygon(corners, INK, "ledger-similarity")
        for part, text, entry, line in self._entries:
            row = y + 27.5 + _LINE * line
            edge = MUTED if part.key == "residual" else None
            page.box(
                left + entry, row - _SWATCH + 0.2, _SWATCH, _SWATCH, fill=part.fill, edge=edge,
                radius=1,
            )  # fmt: skip
            page.text(left + entry + _SWATCH + 3.5, row, text, self._size, colour=MUTED)
