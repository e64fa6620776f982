"""The similarity, and its ledger as one bar: parts that add up, on both sides of a zero line."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..methods import LedgerTerm
from ..pairs import Ledger
from ._canvas import Page
from ._colours import GREYS, INK, MUTED, NEGATIVE, POSITIVE, QUIET, WHITE, Rgb
from ._content import Content
from ._numbers import decimals_for, fixed, plain
from ._parts import spread
from ._typeface import Typeface

_FILLS: Mapping[str, Rgb] = {
    "pairs": POSITIVE,
    "rows_only": GREYS[0],
    "columns_only": GREYS[1],
    "baseline": GREYS[2],
    "left_out": WHITE,
    "residual": WHITE,
}
#: Of one caption and one image; see ``Content.ledger_names``.
NAMES: Mapping[str, str] = {
    "pairs": "pairs",
    "rows_only": "caption alone",
    "columns_only": "image alone",
    "baseline": "baseline",
    "left_out": "left out",
    "residual": "residual",
}
# Parts that are left out of a bar where they would read zero.
_OPTIONAL = ("left_out", "residual")

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
_TERM = 9.5  # height of a term's line
_THIN = 4.5  # of its bar
_ABOVE_TERMS = 8.0
_MOST_TERMS = 6
_SHARE = 0.5  # of the width that the terms' names may take


@dataclass(frozen=True)
class Part:
    """A part of the ledger; ``left`` and ``width`` are shares of the bar."""

    key: str
    name: str
    value: float
    fill: Rgb
    left: float
    width: float

    @property
    def edge(self) -> Rgb | None:
        """The colour of its outline; of what a reading leaves out that of pairs."""
        if self.key == "left_out":
            return NEGATIVE if self.value < 0 else POSITIVE
        return MUTED if self.key == "residual" else None


@dataclass(frozen=True)
class Bar:
    """The parts, and where zero and the similarity stand, as shares of the bar; and its size."""

    parts: list[Part]
    zero: float
    total: float
    size: float


def ledger_bar(
    ledger: Ledger | LedgerTerm, names: Mapping[str, str] = NAMES, decimals: int = 2
) -> Bar:
    """Stack positive parts to the right of zero and negative ones to its left.

    Parameters
    ----------
    ledger
        What is stacked.
    names
        Of its parts.
    decimals
        Of the numbers that are shown. A residual, or what a reading leaves out, that would read
        zero is not drawn.
    """
    values = {key: getattr(ledger, key) for key in _FILLS}
    for key in _OPTIONAL:
        if abs(values[key]) < 0.5 * 10**-decimals:
            del values[key]
    size = sum(map(abs, values.values())) or 1.0
    zero = sum(-value for value in values.values() if value < 0) / size
    left = right = zero
    parts = []
    for key, value in values.items():
        width = abs(value) / size
        start = left - width if value < 0 else right
        left, right = (start, right) if value < 0 else (left, start + width)
        fill = NEGATIVE if key == "pairs" and value < 0 else _FILLS[key]
        parts.append(Part(key, names[key], value, fill, start, width))
    return Bar(parts, zero, zero + ledger.similarity / size, size)


def adds_up(ledger: Ledger) -> bool:
    """Return whether a ledger's parts make up the similarity, but for an error."""
    parts = (
        ledger.pairs,
        ledger.rows_only,
        ledger.columns_only,
        ledger.baseline,
        ledger.left_out,
    )
    return abs(ledger.residual) <= TOLERATED * sum(map(abs, parts))


def does_not_add_up(ledger: Ledger) -> tuple[str, str]:
    """Return in two lines what a ledger whose parts are no parts leaves."""
    return (
        "The pairs of this method do not add up to the similarity:",
        f"their sum is {plain(ledger.pairs)}, which leaves {plain(ledger.residual)}.",
    )


@dataclass(frozen=True)
class _Row:
    """A bar of the drawing; ``title`` and ``number`` are empty for that of the whole."""

    title: str
    number: str
    bar: Bar


class LedgerBlock:
    """The similarity to the left of its ledger; for sums, the bars of their terms below it.

    All bars are on one scale, so that it is seen what cancels.

    Parameters
    ----------
    content
        What is drawn.
    face
        Of the text.
    available
        Width, in points.
    """

    def __init__(self, content: Content, face: Typeface, available: float):
        ledger = content.ledger
        self._label = content.unit_label if ledger else "similarity not computed"
        self._bar: Bar | None = None
        self._terms: list[_Row] = []
        self._warning: tuple[str, ...] = ()
        self._note = ""
        self._decimals = 2
        if ledger is not None:
            if content.is_sum or content.about.unit == "logit":
                shown = (getattr(ledger, key) for key in ("similarity", *_FILLS))
                self._decimals = decimals_for(shown)
            if adds_up(ledger):
                self._bar = ledger_bar(ledger, content.ledger_names, self._decimals)
                self._take_terms(content, ledger)
            else:
                self._warning = does_not_add_up(ledger)
        self._number = "–" if ledger is None else fixed(ledger.similarity, self._decimals)
        number = face.width(self._number, _NUMBER, "bold")
        self._score = max(number, face.width(self._label, _SMALL)) + 16
        if self._terms:
            titles = max(face.width(row.title + row.number, _SIZES[-1]) for row in self._terms)
            self._score = max(self._score, min(titles + 14, _SHARE * available))
        self._bar_width = available - self._score
        self._terms = [self._shortened(row, face) for row in self._terms]
        for self._size in _SIZES:
            self._entries, last = self._flow(face)
            if last == 0:
                break
        else:
            self._size = _SMALL
            self._entries, last = self._flow(face)
        below = _TERM * len(self._terms) + (_LINE if self._note else 0.0)
        self.height = max(30.0, 25.0 + _LINE * last) + (below + _ABOVE_TERMS if below else 0.0)

    def _take_terms(self, content: Content, ledger: Ledger) -> None:
        """Choose the terms whose bars are drawn."""
        names = content.term_names
        most = _MOST_TERMS if len(ledger.terms) > _MOST_TERMS else len(ledger.terms)
        chosen = spread([name.sign for name in names], most) if ledger.terms else []
        for number in chosen:
            term = ledger.terms[number]
            bar = ledger_bar(term, content.ledger_names, self._decimals)
            value = fixed(term.similarity, self._decimals)
            self._terms.append(_Row(names[number].text, value, bar))
        left_out = len(names) - len(chosen)
        if left_out and len(names) > 1:
            self._note = f"and {left_out} more terms" if chosen else f"the sum of {left_out} terms"

    def _shortened(self, row: _Row, face: Typeface) -> _Row:
        room = self._score - 14 - face.width(row.number, _SIZES[-1])
        return replace(row, title=face.shortened(row.title, room, _SIZES[-1]))

    def _flow(self, face: Typeface) -> tuple[list[tuple[Part, str, float, int]], int]:
        """Return each part's name and where it stands, and the number of the last line."""
        entries, x, line = [], 0.0, 0
        for part in self._bar.parts if self._bar else ():
            text = f"{part.name} {fixed(part.value, self._decimals)}"
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
        rows = [self._bar, *(row.bar for row in self._terms)]
        # One scale: the widest extent on either side of zero.
        before = max(bar.zero * bar.size for bar in rows)
        after = max((1 - bar.zero) * bar.size for bar in rows)
        points = self._bar_width / (before + after)
        zero = left + before * points
        page.box(left, top, self._bar_width, _THICK, fill=QUIET, radius=1)
        self._draw_bar(page, self._bar, zero, top, _THICK, points, "ledger")
        page.box(zero - 0.6, top - 2.5, 1.2, _THICK + 5, fill=INK, name="ledger-zero")
        tip = zero + (self._bar.total - self._bar.zero) * self._bar.size * points
        base = top + _THICK + 5
        corners = [(tip, base - 4), (tip - 3, base), (tip + 3, base)]
        page.polygon(corners, INK, "ledger-similarity")
        lines = 0
        for part, text, entry, line in self._entries:
            row = y + 27.5 + _LINE * line
            page.box(
                left + entry, row - _SWATCH + 0.2, _SWATCH, _SWATCH, fill=part.fill, edge=part.edge,
                radius=1,
            )  # fmt: skip
            page.text(left + entry + _SWATCH + 3.5, row, text, self._size, colour=MUTED)
            lines = max(lines, line)
        start = y + max(30.0, 25.0 + _LINE * lines) + _ABOVE_TERMS
        for number, term in enumerate(self._terms):
            row = start + _TERM * number
            page.text(x, row + 6, term.title, _SIZES[-1], colour=MUTED)
            page.text(left - 6, row + 6, term.number, _SIZES[-1], colour=INK, align="right")
            self._draw_bar(page, term.bar, zero, row + 1.5, _THIN, points, f"term-{number}")
            page.box(zero - 0.3, row, 0.6, _TERM, fill=INK)
        if self._note:
            base = start + _TERM * len(self._terms) + 7
            page.text(x, base, self._note, _SIZES[-1], colour=MUTED)

    def _draw_bar(
        self,
        page: Page,
        bar: Bar,
        zero: float,
        top: float,
        thick: float,
        points: float,
        name: str,
    ) -> None:
        """Draw the parts of a bar, with white lines between them."""
        placed = [
            (
                part,
                zero + (part.left - bar.zero) * bar.size * points,
                part.width * bar.size * points,
            )
            for part in bar.parts
        ]
        for part, left, width in placed:
            page.box(
                left, top, width, thick, fill=part.fill, edge=part.edge, edge_width=0.6,
                name=f"{name}-{part.key}",
            )  # fmt: skip
        for part, left, _ in placed:
            if part.left > 1e-6:
                page.box(left - 0.3, top, 0.6, thick, fill=WHITE)
