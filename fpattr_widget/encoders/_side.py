"""``Side``: the inputs whose features are the rows of a matrix of pairs, or its columns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from ..checks import quoted
from ..errors import InputError
from ._inputs import Crop, Feature, Panel, Sentence
from ._tokens import find_words, spelling, word_groups

PanelType = TypeVar("PanelType")

# Share of a caption's words that have to be another's too, for the two to be folded.
_LEAST_SHARED = 0.5
# The most words of a caption that is folded: aligning takes the square of their number, and a
# file may hold captions of any length.
_LONGEST_FOLDED = 300
# Different words of one fold that are named.
_NAMED = 3


@dataclass(frozen=True)
class Side:
    """One side of a matrix of pairs: the inputs whose features are its rows, or its columns.

    Attributes
    ----------
    panels
        One for each input; the side's features are those of all panels, in this order.
    weights
        What each input's unit-length embedding is multiplied by; 1 unless they are given.

    Raises
    ------
    ValueError
        When there are not as many weights as panels.
    """

    panels: tuple[Panel, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.weights:
            object.__setattr__(self, "weights", (1.0,) * len(self.panels))
        if len(self.weights) != len(self.panels):
            raise ValueError(f"{len(self.panels)} panels, {len(self.weights)} weights")

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features of all panels, in order."""
        return tuple(
            replace(feature, part=number)
            for number, panel in enumerate(self.panels)
            for feature in panel.features
        )

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Number of each panel's first feature."""
        ends = accumulate(len(panel.features) for panel in self.panels)
        return (0, *ends)[: len(self.panels)]

    @property
    def is_sum(self) -> bool:
        """Whether it is more than one input as it is."""
        return self.weights != (1.0,)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its panels."""
        return frozenset(panel.kind for panel in self.panels)

    @cached_property
    def folds(self) -> tuple["Fold", ...]:
        """Aligned words of captions that share their wording; see :func:`.folded_words`."""
        return folded_words(self)

    @cached_property
    def words(self) -> tuple[tuple[int, ...], ...]:
        """Features of each word of its captions; every other feature by itself."""
        return tuple(
            tuple(offset + number for number in group)
            for panel, offset in zip(self.panels, self.offsets, strict=True)
            for group in (
                word_groups(panel.tokens)
                if isinstance(panel, Sentence)
                else tuple((number,) for number in range(len(panel.features)))
            )
        )

    @cached_property
    def visible(self) -> tuple[int, ...]:
        """All features but special positions of pictures."""
        kinds = [panel.kind for panel in self.panels]
        return tuple(
            number
            for number, feature in enumerate(self.features)
            if not (feature.special and kinds[feature.part] == Crop.kind)
        )

    def find(self, text: str, part: int | None = None) -> list[int]:
        """Return the features of a word, or of several consecutive words.

        Parameters
        ----------
        text
            Words of one of the captions; see ``FeaturePairs.of_tokens``.
        part
            Number of the panel; ``None`` for the only one that has them.

        Raises
        ------
        InputError
            When they are not there exactly once.
        """
        sentences = [
            number for number in self._parts(part) if isinstance(self.panels[number], Sentence)
        ]
        if not sentences:
            raise InputError(
                "tokens", f"names {quoted(text)}, but there is no caption", "pass feature numbers"
            )
        found: list[tuple[int, list[int]]] = []
        missing: InputError | None = None
        for number in sentences:
            panel = self.panels[number]
            assert isinstance(panel, Sentence)
            try:
                found.append((number, find_words(panel.tokens, panel.caption, text)))
            except InputError as error:
                missing = error
        if missing is not None and not found:
            raise missing
        if len(found) > 1:
            raise InputError(
                "tokens",
                f"names {quoted(text)}, which {len(found)} captions have",
                "name the part, as in `pairs.rows.find(word, part=1)`",
            )
        ((number, tokens),) = found
        return [self.offsets[number] + token for token in tokens]

    def region(self, mask: Any, part: int | None = None) -> list[int]:
        """Return the features of a region of a picture.

        Parameters
        ----------
        mask
            Boolean, ``(rows, columns)``: the patches of the region.
        part
            Number of the panel; ``None`` for the only picture.

        Raises
        ------
        InputError
            When ``mask`` has another shape or type, or there is no such picture.
        """
        pictures = [number for number in self._parts(part) if isinstance(self.panels[number], Crop)]
        if len(pictures) != 1:
            raise InputError(
                "part",
                f"is {part}, and {len(pictures) or 'none'} of these panels are pictures",
                "pass the number of one picture",
            )
        crop = self.panels[pictures[0]]
        assert isinstance(crop, Crop)
        inside = np.asarray(mask)
        if inside.shape != crop.grid or inside.dtype != bool:
            raise InputError(
                "mask",
                f"is {inside.dtype} of shape {inside.shape}",
                f"pass booleans {crop.grid}",
            )
        first = self.offsets[pictures[0]] + len(crop.special)
        return [first + int(patch) for patch in np.flatnonzero(inside)]

    def _parts(self, part: int | None) -> Sequence[int]:
        count = len(self.panels)
        if part is None:
            return range(count)
        if isinstance(part, bool) or not isinstance(part, int) or not 0 <= part < count:
            raise InputError("part", f"is {part!r}", f"pass a number from 0 to {count - 1}")
        return [part]

    def only(self, kind: type[PanelType]) -> PanelType:
        """Return the one panel of this side.

        Raises
        ------
        InputError
            When it is of another kind, or one of several.
        """
        if len(self.panels) == 1 and isinstance(self.panels[0], kind):
            return self.panels[0]
        kinds = " and a ".join(panel.kind for panel in self.panels) or "nothing"
        raise InputError(
            "pairs",
            f"have a {kinds} where a {kind.__name__.lower()} is needed",
            "read their `rows` and `columns`",
        )


@dataclass(frozen=True)
class Fold:
    """Words at the same place of captions that share their wording.

    Attributes
    ----------
    name
        The word, or the different words: ``"dog / cat"``.
    features
        Their features, in order.
    """

    name: str
    features: tuple[int, ...]


@dataclass(frozen=True)
class _Word:
    """A word of one caption, or a special position."""

    text: str
    special: bool
    features: tuple[int, ...]

    @property
    def key(self) -> tuple[str, bool]:
        return self.text.casefold(), self.special


def folded_words(side: Side) -> tuple[Fold, ...]:
    """Align the words of captions that share their wording with those of the first.

    Returns
    -------
    tuple of Fold
        In reading order; each feature is in one of them. Empty where the side is not made of
        several captions, they share less than half of their words, or one is too long.
    """
    captions = [
        _words(panel, offset)
        for panel, offset in zip(side.panels, side.offsets, strict=True)
        if isinstance(panel, Sentence)
    ]
    if len(captions) < 2 or len(captions) < len(side.panels):
        return ()
    if max(map(len, captions)) > _LONGEST_FOLDED:
        return ()
    first, *others = captions
    # Words at the place of each of the first caption's, and those that stand before it alone.
    at: list[list[_Word]] = [[word] for word in first]
    before: list[list[list[_Word]]] = [[] for _ in range(len(first) + 1)]
    for words in others:
        if not _share_wording(first, words):
            return ()
        matcher = SequenceMatcher(
            None, [word.key for word in first], [word.key for word in words], autojunk=False
        )
        for _, start, stop, other_start, other_stop in matcher.get_opcodes():
            paired = min(stop - start, other_stop - other_start)
            for number in range(paired):
                at[start + number].append(words[other_start + number])
            before[start + paired] += [[word] for word in words[other_start + paired : other_stop]]
    slots = [slot for place in range(len(first)) for slot in (*before[place], at[place])]
    return tuple(_fold(slot) for slot in (*slots, *before[-1]))


def _words(sentence: Sentence, offset: int) -> list[_Word]:
    tokens = sentence.tokens
    return [
        _Word(
            spelling([tokens[number] for number in group], sentence.caption),
            tokens[group[0]].special,
            tuple(offset + number for number in group),
        )
        for group in word_groups(tokens)
    ]


def _share_wording(first: Sequence[_Word], other: Sequence[_Word]) -> bool:
    """Return whether two captions share half of their words, or are of one word each."""
    a, b = ([word.key for word in words if not word.special] for words in (first, other))
    if len(a) == len(b) == 1:
        return True
    matched = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return sum(block.size for block in matched) >= _LEAST_SHARED * max(len(a), len(b), 1)


def _fold(words: Sequence[_Word]) -> Fold:
    texts = list({word.key: word.text for word in reversed(words)}.values())[::-1]
    shown = texts if len(texts) <= _NAMED else [*texts[:_NAMED], "…"]
    return Fold(" / ".join(shown), tuple(sorted(n for word in words for n in word.features)))
