"""The numbers and words that a drawing of pairs shows."""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np

from ..encoders import Side
from ..errors import InputError
from ..pairs import About, FeaturePairs, Ledger
from ._colours import FLOOR, limit_of, patch_floor
from ._numbers import is_nothing
from ._parts import (
    CaptionPart,
    PicturePart,
    captions_of,
    first_of_each_sign,
    pictures_of,
    sign_of,
    weight_in_words,
)
from ._sentence import Chip, listed

_LONGEST = 60  # characters of an argument that an error quotes
_MOST_NAMED = 2  # special positions that are listed by name
_HOW = "precompute=True computes all before the view is shown"
_MOST_PICTURES = 4  # of a side that are drawn, where the other has none
_MOST_OF_BOTH = 2
_MOST_IN_TITLE = 6  # parts of a side that a title names
_ORDINALS = "first", "second"


@dataclass(frozen=True)
class Group:
    """Features of a side of one kind: patches, words, or those that are neither.

    Attributes
    ----------
    kind
        ``"patches"``, ``"beside patches"``, ``"words"`` or ``"beside words"``.
    name
        In words: for special positions their names, if they are few.
    features
        Their numbers.
    """

    kind: Literal["patches", "beside patches", "words", "beside words"]
    name: str
    features: list[int]


@dataclass(frozen=True)
class TermName:
    """What a term of a ledger is of, in words, with the sign that it has in the sum."""

    sign: str
    text: str


@dataclass(frozen=True)
class Content:
    """Pairs as numbers, all of them or those that are computed.

    Attributes
    ----------
    sides
        The rows and the columns.
    about, unit_label
        As those of :class:`~fpattr_widget.FeaturePairs`.
    values
        ``(row features, column features)`` float32, NaN in rows that are not computed.
    ledger
        ``None`` if it is not computed.
    why
        Why something is not computed, or how to have it computed.
    """

    sides: tuple[Side, Side]
    about: About
    unit_label: str
    values: np.ndarray
    ledger: Ledger | None
    why: str = ""

    @cached_property
    def captions(self) -> list[CaptionPart]:
        """The captions of both sides."""
        return captions_of(self.sides)

    @cached_property
    def pictures(self) -> list[PicturePart]:
        """The pictures of both sides."""
        return pictures_of(self.sides)

    def captions_on(self, side: int) -> list[CaptionPart]:
        """Return a side's captions."""
        return [part for part in self.captions if part.side == side]

    def pictures_on(self, side: int) -> list[PicturePart]:
        """Return a side's pictures."""
        return [part for part in self.pictures if part.side == side]

    def drawn_pictures(self, side: int) -> list[PicturePart]:
        """Return a side's pictures that are drawn: the first few."""
        most = _MOST_OF_BOTH if self.is_of_pictures else _MOST_PICTURES
        return first_of_each_sign(self.pictures_on(side), most)

    @property
    def is_sum(self) -> bool:
        """Whether a side is more than one input as it is."""
        return any(side.is_sum for side in self.sides)

    @property
    def is_caption_on_picture(self) -> bool:
        """Whether it is one caption and one picture, as they are."""
        return not self.is_sum and len(self.captions) == len(self.pictures) == 1

    @property
    def is_of_pictures(self) -> bool:
        """Whether both sides have pictures."""
        return bool(self.pictures_on(0) and self.pictures_on(1))

    @cached_property
    def has_totals(self) -> bool:
        """Whether all rows are computed, so that maps of a whole side can be drawn."""
        return bool(np.isfinite(self._totals[1]).all())

    @property
    def shows_totals(self) -> bool:
        """Whether the whole of a side is shown over the other's pictures."""
        return self.has_totals and not self.is_caption_on_picture

    @property
    def shows_photographs_below(self) -> bool:
        """Whether the pictures as they are stand beside the small maps.

        Otherwise they stand above: two, for which there is room beside the text, and those of
        both sides.
        """
        count = len(self.drawn_pictures(0)) + len(self.drawn_pictures(1))
        return self.shows_totals and not self.is_of_pictures and count != 2

    # Sums

    def across(self, side: int, features: Sequence[int]) -> np.ndarray:
        """Return the sum of a side's features with each feature of the other, float64.

        NaN where it is not computed.
        """
        if side == 0:
            return self.values[list(features)].sum(0, dtype=np.float64)
        return self.values[:, list(features)].sum(1, dtype=np.float64)

    @cached_property
    def _totals(self) -> tuple[np.ndarray, np.ndarray]:
        return self.values.sum(1, dtype=np.float64), self.values.sum(0, dtype=np.float64)

    def value(self, side: int, features: Sequence[int]) -> float:
        """Return what features add in all; NaN if it is not computed."""
        return float(self._totals[side][list(features)].sum())

    def chip_value(self, part: CaptionPart, chip: Chip) -> float:
        """Return what a chip adds in all; NaN if it is not computed."""
        return self.value(part.side, part.features(chip))

    def total_map(self, part: PicturePart) -> np.ndarray:
        """Return a picture's map of the whole other side, ``(rows, columns)`` float64."""
        return self._totals[part.side][list(part.patches)].reshape(part.grid)

    def maps(self, side: int, features: Sequence[int]) -> dict[int, np.ndarray]:
        """Return maps of features over the other side's pictures, by the pictures' numbers."""
        across = self.across(side, features)
        return {
            part.number: across[list(part.patches)].reshape(part.grid)
            for part in self.pictures_on(1 - side)
        }

    def composition(self, side: int, features: Sequence[int]) -> list[tuple[str, float]]:
        """Return what features' sum is made of: patches, and the rest by name.

        Empty where all of it comes from patches.
        """
        across = self.across(side, features)
        patches, *others = self.groups(1 - side)
        parts = [(group.name, float(across[group.features].sum())) for group in others]
        if [group.kind for group in others] == ["beside patches"]:  # by name
            named: dict[str, float] = {}
            for part in self.pictures_on(1 - side):
                for name, feature in zip(part.special, part.specials, strict=True):
                    named[name] = named.get(name, 0.0) + float(across[feature])
            parts = [(name, value) for name, value in named.items() if not is_nothing(value)]
            if len(parts) > _MOST_NAMED:
                total = sum(value for _, value in parts)
                parts = [(f"{len(parts)} special positions", total)]
        parts = [(name, value) for name, value in parts if not is_nothing(value)]
        own = float(across[patches.features].sum())
        return [(patches.name, own), *parts] if parts else []

    def groups(self, side: int) -> list[Group]:
        """Return a side's features by kind."""
        pictures, captions = self.pictures_on(side), self.captions_on(side)
        chips = [chip for part in captions for chip in part.chips if chip.kind == "special"]
        tokens = [
            (part.first + number, token.special)
            for part in captions
            for number, token in enumerate(part.tokens)
        ]
        groups = [
            Group("patches", "patches", [one for part in pictures for one in part.patches]),
            Group(
                "beside patches",
                _named([name for part in pictures for name in part.special]),
                [one for part in pictures for one in part.specials],
            ),
            Group("words", "words", [number for number, special in tokens if not special]),
            Group(
                "beside words",
                _named([chip.text for chip in chips]),
                [number for number, special in tokens if special],
            ),
        ]
        return [group for group in groups if group.features]

    @cached_property
    def split(self) -> list[tuple[str, float]]:
        """The parts of all pairs, by the kinds of features; empty unless all are computed."""
        if not self.has_totals:
            return []
        parts = []
        for rows in self.groups(0):
            across = self.across(0, rows.features)
            for columns in self.groups(1):
                value = float(across[columns.features].sum())
                parts.append((f"{rows.name} × {columns.name}", value))
        return [(name, value) for name, value in parts if not is_nothing(value)]

    @cached_property
    def match_and_routing(self) -> list[tuple[str, float]]:
        """The sums of both parts, where a head makes the score; else empty."""
        ledger = self.ledger
        if ledger is None or ledger.match is None or ledger.routing is None:
            return []
        return [("match", ledger.match), ("routing", ledger.routing)]

    @cached_property
    def short_split(self) -> list[tuple[str, float]]:
        """The parts of all pairs, by the columns' kinds of features alone."""
        return [(group.name, self.value(1, group.features)) for group in self.groups(1)]

    # Scales

    @property
    def _unit_scale(self) -> float:
        return self.ledger.unit_scale if self.ledger else 1.0

    @cached_property
    def token_limit(self) -> float:
        """The largest magnitude of a word's token with a patch, before any floor."""
        sizes = [0.0]
        for side in (0, 1):
            patches = [f for part in self.pictures_on(1 - side) for f in part.patches]
            words = [
                f for group in self.groups(side) if group.kind == "words" for f in group.features
            ]
            if patches and words:
                values = self.values if side == 0 else self.values.T
                sizes.append(_largest(values[np.ix_(words, patches)]))
        return max(sizes)

    def map_limit(self, size: float, share: float = 1.0) -> float:
        """Return the limit of the scale of maps whose largest magnitude is ``size``.

        ``share``: how much of its side the features are of which the maps are.
        """
        finest = max((part.grid[0] * part.grid[1] for part in self.pictures), default=1)
        return limit_of(size, patch_floor(finest) * self._unit_scale * share)

    @cached_property
    def chip_limit(self) -> float:
        """The largest magnitude of a word's value; where there are no words, of a chip's."""
        values = {
            kind: np.array(
                [
                    self.chip_value(part, chip)
                    for part in self.captions
                    for chip in part.chips
                    if kind == "any" or chip.kind != "special"
                ]
            )
            for kind in ("word", "any")
        }
        size = _largest(values["word"]) or _largest(values["any"])
        # Of a part with a small weight, less matters.
        weights = [max(map(abs, side.weights), default=1.0) for side in self.sides]
        return limit_of(size, FLOOR * self._unit_scale * min(1.0, weights[0] * weights[1]))

    def matrix_limit(self, size: float) -> float:
        """Return the limit of the scale of words with words, at most ``size``."""
        return limit_of(size, FLOOR * self._unit_scale)

    # Words

    def ordinal(self, side: int) -> str:
        """Return ``"first"`` or ``"second"``."""
        return _ORDINALS[side]

    def side_name(self, side: int) -> str:
        """Return what a side is, such as ``"captions"``, ``"first image"`` or ``"second side"``."""
        own, other = self.sides[side].kinds, self.sides[1 - side].kinds
        if len(own) != 1 or len(other) != 1:
            return f"{_ORDINALS[side]} side"
        name = "caption" if self.captions_on(side) else "image"
        plural = "s" if len(self.sides[side].panels) > 1 else ""
        return f"{_ORDINALS[side]} {name}{plural}" if own == other else f"{name}{plural}"

    @cached_property
    def ledger_names(self) -> dict[str, str]:
        """The names of the ledger's parts."""
        return {
            "pairs": "pairs",
            "rows_only": f"{self.side_name(0)} alone",
            "columns_only": f"{self.side_name(1)} alone",
            "baseline": "baseline",
            "left_out": self.ledger.left_out_name if self.ledger else "",
            "residual": "residual",
        }

    @cached_property
    def term_names(self) -> list["TermName"]:
        """What each term of the ledger is of: a part of the rows and one of the columns."""
        by_side = [self._parts_on(side) for side in (0, 1)]
        several = [len(parts) > 1 for parts in by_side]
        names = []
        for row, column in product(*by_side):
            shown = [
                part.name for part, some in zip((row, column), several, strict=True) if some
            ] or [row.name, column.name]
            sign = sign_of(row.weight * column.weight)
            names.append(TermName(sign, f"{sign} {' × '.join(shown)}"))
        return names

    def _parts_on(self, side: int) -> list[CaptionPart | PicturePart]:
        """Return a side's parts in order."""
        parts: list[CaptionPart | PicturePart] = [*self.captions, *self.pictures]
        return sorted((p for p in parts if p.side == side), key=lambda part: part.number)

    @cached_property
    def unknown(self) -> list[str]:
        """Words that the model does not know."""
        return list(dict.fromkeys(word for part in self.captions for word in part.unknown))

    @cached_property
    def missing(self) -> str:
        """How much is computed, if not all is; else ``""``."""
        counted, kind = [], "words"
        for part in self.captions_on(0):
            counted += [part.features(chip) for chip in part.chips if chip.kind == "word"]
        if not counted:
            kind = "patches"
            counted = [[patch] for part in self.pictures_on(0) for patch in part.patches]
        computed = sum(bool(np.isfinite(self._totals[0][one].sum())) for one in counted)
        return (
            f"{computed} of {len(counted)} {kind} were computed" if computed < len(counted) else ""
        )

    @cached_property
    def sense(self) -> str:
        """What red says where a part is taken away, by the names of two parts; else ``""``."""
        side = next((n for n, one in enumerate(self.sides) if min(one.weights) < 0), None)
        if side is None:
            return ""
        parts = self._parts_on(side)
        positive = [part for part in parts if part.weight > 0]
        negative = [part for part in parts if part.weight < 0]
        if not (len(positive) == len(negative) == 1) or min(self.sides[1 - side].weights) < 0:
            return self.plain_sense
        names = [part.name_in_text for part in (*positive, *negative)]
        return f"red: for {names[0]} against {names[1]} · blue: the reverse"

    @cached_property
    def plain_sense(self) -> str:
        """The same without names."""
        signs = [{sign_of(weight) for weight in side.weights} for side in self.sides]
        if any(one == {"+", "−"} for one in signs) and {"+"} in signs:
            return "red: for the parts with + against those with − · blue: the reverse"
        return (
            "red adds to the score, blue takes from it"
            if {"−"} & signs[0] | {"−"} & signs[1]
            else ""
        )

    @cached_property
    def title(self) -> str:
        """What is drawn, in a line: the caption, or both sides."""
        if self.is_caption_on_picture:
            return self.captions[0].caption
        return " × ".join(map(self._side_in_words, (0, 1)))

    def _side_in_words(self, side: int) -> str:
        parts = self._parts_on(side)
        if not self.sides[side].is_sum:
            return " ".join(part.name for part in parts)
        words = [f"{weight_in_words(part.weight)} {part.name}" for part in parts[:_MOST_IN_TITLE]]
        if len(parts) > _MOST_IN_TITLE:
            words.append(f"and {len(parts) - _MOST_IN_TITLE} more")
        return " ".join(words)


def full_content(pairs: FeaturePairs) -> Content:
    """Return all of some pairs, computing what is missing."""
    return _content(pairs, pairs.feature_rows(range(len(pairs.rows.features))), pairs.ledger)


def cached_content(pairs: FeaturePairs, why: str = "") -> Content:
    """Return what is computed of some pairs by now; computes nothing and does not wait."""
    values, ledger = pairs.cached()
    return _content(pairs, values, ledger, why or _HOW)


def _content(
    pairs: FeaturePairs, values: np.ndarray, ledger: Ledger | None, why: str = ""
) -> Content:
    sides = pairs.rows, pairs.columns
    return Content(sides, pairs.about, pairs.unit_label, values, ledger, why)


def half_of_mass(values: np.ndarray) -> float:
    """Return the sum of the fewest patches that carry half of a map's positive mass."""
    strengths = np.sort(values[values > 0])[::-1]
    if not strengths.size:
        return 0.0
    sums = strengths.cumsum()
    return float(sums[np.searchsorted(sums, sums[-1] / 2)])


def feature_numbers(
    features: Iterable[int] | None, count: int, argument: str, what: str
) -> list[int] | None:
    """Return feature numbers counted from the start, of which some may be negative; keep ``None``.

    Raises
    ------
    InputError
        When one is no feature's number.
    """
    if features is None:
        return None
    try:
        numbers = [operator.index(feature) for feature in features]
    except TypeError:
        numbers = []
    if not numbers or min(numbers) < -count or max(numbers) >= count:
        quoted = repr(features)
        if len(quoted) > _LONGEST:
            quoted = quoted[:_LONGEST] + "…"
        remedy = f"pass a list of {what} numbers from 0 to {count - 1}"
        raise InputError(argument, f"is {quoted}", remedy)
    return [number % count for number in numbers]


def _named(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    return listed(names) if len(names) <= _MOST_NAMED else "special positions"


def _largest(values: np.ndarray) -> float:
    magnitudes = np.abs(values[np.isfinite(values)])
    return float(magnitudes.max()) if magnitudes.size else 0.0
