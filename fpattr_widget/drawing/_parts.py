"""The parts of a drawing's two sides: captions and pictures, each with its weight in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from PIL import Image

from ..encoders import Crop, Sentence, Side, Token
from ._sentence import Chip, sentence, unknown_words

_FRACTIONS = {
    1 / 2: "½", 1 / 3: "⅓", 2 / 3: "⅔", 1 / 4: "¼", 3 / 4: "¾", 1 / 5: "⅕", 1 / 6: "⅙", 1 / 8: "⅛",
}  # fmt: skip
_MOST_PARTS = 128  # of a mean, whose weights are written as fractions
_EXACT = 1e-6


@dataclass(frozen=True)
class CaptionPart:
    """A caption on one of the two sides.

    Attributes
    ----------
    side, number
        Its side, 0 for rows, and its number there.
    weight
        Its weight in the side's sum.
    first
        Number of its first feature on its side.
    caption, tokens
        See :class:`~fpattr_widget.encoders.Sentence`.
    """

    side: int
    number: int
    weight: float
    first: int
    caption: str
    tokens: tuple[Token, ...]

    @cached_property
    def chips(self) -> list[Chip]:
        """The caption's words, marks and special tokens."""
        return sentence(self.caption, self.tokens)[0]

    @cached_property
    def rest(self) -> str:
        """The caption's text after the last chip."""
        return sentence(self.caption, self.tokens)[1]

    @cached_property
    def unknown(self) -> list[str]:
        """Words that the model does not know."""
        return unknown_words(self.caption, self.tokens)

    @property
    def name(self) -> str:
        """The caption, to name this part in a line."""
        return " ".join(self.caption.split()) or "empty caption"

    @property
    def name_in_text(self) -> str:
        """The caption in quotation marks."""
        return f"“{' '.join(self.caption.split())}”"

    def features(self, chip: Chip) -> list[int]:
        """Return a chip's features on this side."""
        return [self.first + token for token in chip.tokens]


@dataclass(frozen=True)
class PicturePart:
    """A picture on one of the two sides.

    Attributes
    ----------
    side, number, weight, first
        See :class:`CaptionPart`.
    name
        ``"picture"``, or ``"picture 2"`` where its side has several.
    picture, grid, special
        See :class:`~fpattr_widget.encoders.Crop`.
    """

    side: int
    number: int
    weight: float
    first: int
    name: str
    picture: Image.Image
    grid: tuple[int, int]
    special: tuple[str, ...]

    @property
    def name_in_text(self) -> str:
        """The name in a sentence."""
        return self.name if self.name[-1].isdigit() else f"the {self.name}"

    @property
    def specials(self) -> range:
        """Features that are no patches."""
        return range(self.first, self.first + len(self.special))

    @property
    def patches(self) -> range:
        """Features that are patches, row by row."""
        return range(self.specials.stop, self.specials.stop + self.grid[0] * self.grid[1])

    @property
    def features(self) -> range:
        """All its features."""
        return range(self.first, self.patches.stop)


PartType = TypeVar("PartType", CaptionPart, PicturePart)


def captions_of(sides: tuple[Side, Side]) -> list[CaptionPart]:
    """Return the captions of both sides."""
    return [
        CaptionPart(number, place, weight, first, panel.caption, panel.tokens)
        for number, side in enumerate(sides)
        for place, (panel, weight, first) in enumerate(_panels(side))
        if isinstance(panel, Sentence)
    ]


def pictures_of(sides: tuple[Side, Side]) -> list[PicturePart]:
    """Return the pictures of both sides."""
    parts: list[PicturePart] = []
    for number, side in enumerate(sides):
        several = sum(isinstance(panel, Crop) for panel in side.panels) > 1
        for place, (panel, weight, first) in enumerate(_panels(side)):
            if isinstance(panel, Crop):
                count = 1 + sum(part.side == number for part in parts)
                name = f"picture {count}" if several else "picture"
                fields = panel.picture, panel.grid, panel.special
                parts.append(PicturePart(number, place, weight, first, name, *fields))
    return parts


def _panels(side: Side) -> Iterator[tuple[object, float, int]]:
    return zip(side.panels, side.weights, side.offsets, strict=True)


def first_of_each_sign(parts: Sequence[PartType], most: int) -> list[PartType]:
    """Return at most so many parts, in order; of a difference about as many of either sign."""
    return [parts[number] for number in spread([sign_of(part.weight) for part in parts], most)]


def spread(signs: Sequence[str], most: int) -> list[int]:
    """Return the numbers of the first few, in order, about as many of either sign."""
    against = [number for number, sign in enumerate(signs) if sign == "−"]
    in_favour = [number for number, sign in enumerate(signs) if sign != "−"]
    half = (most + 1) // 2
    room = max(half, most - len(against))
    chosen = in_favour[:room]
    return sorted([*chosen, *against[: most - len(chosen)]])


def sign_of(weight: float) -> str:
    """Return ``"+"`` or ``"−"``."""
    return "−" if weight < 0 else "+"


def weight_in_words(weight: float) -> str:
    """Return ``"+"``, ``"−"``, ``"½ ×"`` or ``"− 0.35 ×"``."""
    size = abs(weight)
    if size == 1:
        return sign_of(weight)
    return f"{'− ' if weight < 0 else ''}{_fraction(size)} ×"


def _fraction(size: float) -> str:
    for value, text in _FRACTIONS.items():
        if abs(size - value) < _EXACT:
            return text
    whole = round(1 / size) if size > 1 / (2 * _MOST_PARTS) else 0
    if 1 < whole <= _MOST_PARTS and abs(size * whole - 1) < _EXACT:
        return f"1/{whole}"
    return f"{size:.3g}"
