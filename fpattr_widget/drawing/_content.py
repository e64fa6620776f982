"""The numbers and words that a drawing of pairs shows."""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from ..encoders import Token
from ..errors import InputError
from ..pairs import About, FeaturePairs, Ledger
from ._colours import FLOOR, limit_of, patch_floor
from ._numbers import is_nothing, plain, signed
from ._sentence import Chip, chosen_chips, listed, sentence, unknown_words

_MOST_WORDS, _FEWEST_WORDS = 6, 4
_LONGEST = 60  # characters of an argument that an error quotes
_WEAK = 0.12  # of the strongest word
_MOST_NAMED = 2  # special positions that are listed by name
_HOW = "precompute=True computes all before the view is shown"


@dataclass(frozen=True)
class Content:
    """Pairs as numbers, all of them or those that are computed.

    Attributes
    ----------
    caption, tokens, picture, grid, about
        As those of :class:`~fpattr_widget.FeaturePairs`.
    values
        ``(tokens, rows · columns)``, NaN in rows that are not computed.
    specials
        With image positions that are no patches, ``(tokens, n_special)``, NaN
        as in ``values``.
    special_names
        Of these.
    ledger
        ``None`` if it is not computed.
    why
        Why something is not computed, or how to have it computed.
    """

    caption: str
    tokens: tuple[Token, ...]
    picture: Image.Image
    grid: tuple[int, int]
    about: About
    values: np.ndarray
    specials: np.ndarray
    special_names: tuple[str, ...]
    ledger: Ledger | None
    why: str = ""

    @cached_property
    def chips(self) -> list[Chip]:
        """The caption's words, marks and special tokens."""
        return sentence(self.caption, self.tokens)[0]

    @cached_property
    def rest(self) -> str:
        """The caption's text after the last chip."""
        return sentence(self.caption, self.tokens)[1]

    def map(self, chip: Chip) -> np.ndarray:
        """Return a chip's map, ``(rows, columns)`` float64; NaN if it is not computed."""
        return self.values[list(chip.tokens)].sum(0).reshape(self.grid)

    def value(self, chip: Chip) -> float:
        """Return a chip's sum, special positions included; NaN if it is not computed."""
        return float(self.map(chip).sum() + self.specials[list(chip.tokens)].sum())

    def others(self, chip: Chip) -> list[tuple[str, float]]:
        """Return what special positions add to a chip's sum over patches, by name."""
        values = self.specials[list(chip.tokens)].sum(0)
        some = [
            (name, float(value))
            for name, value in zip(self.special_names, values, strict=True)
            if not is_nothing(value)
        ]
        if len(some) <= _MOST_NAMED:
            return some
        return [(f"{len(some)} special positions", sum(value for _, value in some))]

    @cached_property
    def beside_patches(self) -> str:
        """The picture's special positions, in words."""
        names = self.special_names
        return listed(names) if len(names) <= _MOST_NAMED else "special positions"

    @cached_property
    def split(self) -> list[tuple[str, float]]:
        """The parts of all pairs, by words and special tokens; empty unless all are computed."""
        if not np.isfinite(self.values).all():
            return []
        special = np.array([token.special for token in self.tokens])
        names = [chip.text for chip in self.chips if chip.kind == "special"]
        named = listed(names) if len(names) <= _MOST_NAMED else "special positions"
        parts = [
            (f"{side} × {place}", float(values[members].sum()))
            for side, members in (("words", ~special), (named, special))
            for place, values in (("patches", self.values), (self.beside_patches, self.specials))
        ]
        return [(name, value) for name, value in parts if not is_nothing(value)]

    @cached_property
    def short_split(self) -> list[tuple[str, float]]:
        """The parts of all pairs, by patches and special positions alone."""
        places = (("patches", self.values), (self.beside_patches, self.specials))
        return [(name, float(values.sum())) for name, values in places if values.size]

    @cached_property
    def unknown(self) -> list[str]:
        """Words that the model does not know."""
        return unknown_words(self.caption, self.tokens)

    @cached_property
    def limit(self) -> float:
        """The largest magnitude of a word's token with a patch: one scale for all maps."""
        spoken = [not token.special for token in self.tokens]
        return limit_of(_largest(self.values[spoken]), patch_floor(self.grid[0] * self.grid[1]))

    @cached_property
    def chip_limit(self) -> float:
        """The largest magnitude of a word's value; where there are no words, of a chip's."""
        chips = self.chips
        words = np.array([self.value(chip) for chip in chips if chip.kind != "special"])
        size = _largest(words) or _largest(np.array([self.value(chip) for chip in chips]))
        return limit_of(size, FLOOR)


def full_content(pairs: FeaturePairs) -> Content:
    """Return all of some pairs, computing what is missing."""
    return _content(pairs, pairs.feature_rows(range(len(pairs.tokens))), pairs.ledger)


def cached_content(pairs: FeaturePairs, why: str = "") -> Content:
    """Return what is computed of some pairs by now; computes nothing and does not wait."""
    values, ledger = pairs.cached()
    return _content(pairs, values, ledger, why or _HOW)


def _content(
    pairs: FeaturePairs, values: np.ndarray, ledger: Ledger | None, why: str = ""
) -> Content:
    names = pairs.image_special_names
    specials, patches = np.split(values.astype(np.float64), [len(names)], axis=1)
    return Content(
        pairs.caption, pairs.tokens, pairs.picture, pairs.grid, pairs.about,
        patches, specials, names, ledger, why,
    )  # fmt: skip


def shown_words(content: Content, tokens: Sequence[int] | None) -> list[Chip]:
    """Return the words whose maps are shown, in reading order.

    Those of ``tokens``, else the strongest six, or four if the others are weak.
    """
    if tokens is not None:
        words = chosen_chips(content.chips, content.tokens, tokens)
        return [word for word in words if np.isfinite(content.value(word))]
    strengths = {
        word: max(half_of_mass(content.map(word)), half_of_mass(-content.map(word)))
        for word in content.chips
        if word.kind == "word" and np.isfinite(content.value(word))
    }
    ranked = sorted(strengths, key=lambda word: -strengths[word])
    weak = _WEAK * max(strengths.values(), default=0.0)
    strong = [
        word
        for rank, word in enumerate(ranked[:_MOST_WORDS])
        if strengths[word] > (weak if rank >= _FEWEST_WORDS else 0)
    ]
    return sorted(strong, key=lambda word: word.tokens)


def described(content: Content, words: Iterable[Chip]) -> str:
    """Return in a sentence what a drawing shows, for readers who cannot see it."""
    score = (
        "" if content.ledger is None else f"Cosine similarity {plain(content.ledger.similarity)}. "
    )
    values = ", ".join(f"“{word.text}” {signed(content.value(word))}" for word in words)
    return f"{score}Maps of {values}." if values else score.strip()


def half_of_mass(values: np.ndarray) -> float:
    """Return the sum of the fewest patches that carry half of a map's positive mass."""
    strengths = np.sort(values[values > 0])[::-1]
    if not strengths.size:
        return 0.0
    sums = strengths.cumsum()
    return float(sums[np.searchsorted(sums, sums[-1] / 2)])


def token_numbers(tokens: Iterable[int] | None, count: int) -> list[int] | None:
    """Return token numbers counted from the start, of which some may be negative; keep ``None``.

    Raises
    ------
    InputError
        When one is no token number.
    """
    if tokens is None:
        return None
    try:
        numbers = [operator.index(token) for token in tokens]
    except TypeError:
        numbers = []
    if not numbers or min(numbers) < -count or max(numbers) >= count:
        quoted = repr(tokens)
        if len(quoted) > _LONGEST:
            quoted = quoted[:_LONGEST] + "…"
        remedy = f"pass a list of token numbers from 0 to {count - 1}"
        raise InputError("tokens", f"is {quoted}", remedy)
    return [number % count for number in numbers]


def _largest(values: np.ndarray) -> float:
    magnitudes = np.abs(values[np.isfinite(values)])
    return float(magnitudes.max()) if magnitudes.size else 0.0
