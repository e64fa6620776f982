"""Fonts for text in any script: glyph coverage, text widths, and a fallback box."""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import regex
from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import text_to_path

_OWN = "DejaVu Sans"  # comes with matplotlib
# Tried in this order for characters that matplotlib's own font lacks. Fonts whose glyphs are
# pictures cannot be drawn.
_OTHERS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Source Han Sans", "PingFang SC",
    "Hiragino Sans", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic", "IPAexGothic",
    "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic", "NanumGothic", "Arial Unicode MS",
    "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali",
    "Noto Sans Tamil", "Noto Sans Telugu", "Noto Sans Thai", "Nirmala UI", "Leelawadee UI",
    "Kohinoor Devanagari", "Thonburi", "Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol",
    "Apple Symbols", "Symbola", "FreeSans", "Unifont",
)  # fmt: skip
_BOX = "□"
_MEASURED = 20.0  # size at which widths are measured; they grow with it
_LONG = 400  # characters that fit into no line of a drawing
_SHAPES = hasattr(FT2Font, "_layout")  # before 3.11, letters were drawn in the order of the text
_JOINERS = "\u200c\u200d"
_CLUSTER = regex.compile(r"\X")


def plain_text(text: str) -> str:
    """Return text on one line, without control characters that files or other text suffer from."""
    return "".join(map(_printable, text))


class Typeface:
    """Fonts for some texts.

    Parameters
    ----------
    texts
        All texts that will be written.
    """

    def __init__(self, texts: Iterable[str]):
        self._families = [_OWN]
        missing = set(map(ord, "".join(map(plain_text, texts)))) - _coverage(_OWN, "normal")
        installed = _installed() if missing else frozenset()
        for family in _OTHERS:
            if missing and family in installed and missing & _coverage(family, "normal"):
                self._families.append(family)
                missing -= _coverage(family, "normal")
        self._properties: dict[tuple[float, str], FontProperties] = {}
        self._widths: dict[tuple[str, str], float] = {}

    def properties(self, size: float, weight: str = "normal") -> FontProperties:
        """Return a font for matplotlib; ``size`` in points."""
        key = size, weight
        if key not in self._properties:
            self._properties[key] = FontProperties(
                family=self._families, style="normal", variant="normal", weight=weight,
                stretch="normal", size=size,
            )  # fmt: skip
        return self._properties[key]

    def shown(self, text: str, weight: str = "normal") -> str:
        """Return text as it can be drawn, with a box for each character that no font has."""
        text = plain_text(text)
        coverages = [_coverage(family, weight) for family in self._families]
        whole = all(any(ord(character) in font for font in coverages) for character in text)
        turned = not _SHAPES and _reads_left(text)
        if whole and not turned:
            return text
        clusters = [_drawable(cluster, coverages) for cluster in _CLUSTER.findall(text)]
        return "".join(reversed(clusters) if turned else clusters)

    def width(self, text: str, size: float, weight: str = "normal") -> float:
        """Return the width of text as it is drawn, in points."""
        key = text, weight
        if key not in self._widths:
            font = self.properties(_MEASURED, weight)
            shown = self.shown(text, weight)
            width, _, _ = text_to_path.get_text_width_height_descent(shown, font, False)
            self._widths[key] = width / _MEASURED
        return self._widths[key] * size

    def shortened(self, text: str, available: float, size: float, weight: str = "normal") -> str:
        """Return as much of a text as fits, with an ellipsis if some is left out."""
        if len(text) < _LONG and self.width(text, size, weight) <= available:
            return text
        ellipsis = "…"
        available -= self.width(ellipsis, size, weight)
        return next(self._pieces(text, available, size, weight), "").rstrip() + ellipsis

    def pieces(self, text: str, available: float, size: float) -> list[str]:
        """Return a text split into pieces that fit, each of one character or more."""
        return list(self._pieces(text, available, size, "normal"))

    def _pieces(self, text: str, available: float, size: float, weight: str) -> Iterator[str]:
        # By the widths of single characters: joined ones are hardly ever wider.
        piece, used = "", 0.0
        for match in _CLUSTER.finditer(text):
            cluster = match[0]
            width = self.width(f"{cluster}|", size, weight) - self.width("|", size, weight)
            if piece and used + width > available:
                yield piece
                piece, used = "", 0.0
            piece += cluster
            used += width
        if piece:
            yield piece


def _printable(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    hidden = category in ("Cc", "Cs", "Cn") or (category == "Cf" and character not in _JOINERS)
    return "\ufffd" if category == "Cs" else "" if hidden else character


def _reads_left(text: str) -> bool:
    """Return whether all directed characters are read from right to left."""
    kinds = {unicodedata.bidirectional(character) for character in text}
    return bool(kinds & {"R", "AL"}) and not kinds & {"L", "EN", "AN"}


def _drawable(cluster: str, coverages: list[frozenset[int]]) -> str:
    if not any(ord(cluster[0]) in font for font in coverages):
        return _BOX
    return "".join(
        character for character in cluster if any(ord(character) in font for font in coverages)
    )


@cache
def _installed() -> frozenset[str]:
    return frozenset(font.name for font in font_manager.fontManager.ttflist)


@cache
def _coverage(family: str, weight: str) -> frozenset[int]:
    """Return the code points for which a font has glyphs."""
    try:
        font: Any = font_manager.fontManager.findfont(
            FontProperties(family=[family], weight=weight), fallback_to_default=False
        )
        return frozenset(font_manager.get_font(font).get_charmap())
    except (OSError, RuntimeError, ValueError):  # missing, or in a format that cannot be read
        return frozenset()
