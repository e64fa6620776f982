"""Foils: captions and pictures that are wrong in a known way, and which words of them changed."""

import re
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError

#: ``(start, stop)``: the characters ``text[start:stop]``.
Span = tuple[int, int]

#: Words of a caption, and those that stand in their place in a foil; one of them may be empty.
Change = tuple[Span, Span]

_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True)
class Foil:
    """A caption, or a picture, that is wrong in a known way.

    Attributes
    ----------
    caption
        What is wrong for the sample's picture; ``None`` where the picture is what is wrong.
    source
        A picture that is wrong for the sample's caption, in any form of ``Sample.source``;
        ``None`` where there is none. With ``caption``, the two belong together, and each is
        wrong for the other one of the sample, as in Winoground.
    kind
        Its class in reports, such as ``"swap_att"``.
    changed
        The words of the sample's caption that were changed, and those that stand in their
        place, ``((start, stop), (start, stop))``. ``None`` where that is not known: words are
        compared then, see :func:`changed_words`.

    Raises
    ------
    InputError
        When it has neither a caption nor a picture, or ``changed`` does not lie in the caption.
    """

    caption: str | None = None
    source: Any = field(default=None, repr=False)
    kind: str = ""
    changed: Change | None = None

    def __post_init__(self) -> None:
        if self.caption is None and self.source is None:
            raise InputError(
                "foils", "holds one without a caption and a picture", "give it one of them"
            )
        if self.changed is not None:
            _require_inside("changed", self.changed[1], self.caption or "")

    @property
    def image(self) -> Any:
        """The picture, ``None`` where there is none; a function as ``source`` is called."""
        return self.source() if callable(self.source) else self.source

    def changes(self, caption: str) -> tuple[Change, ...]:
        """Return the words of a sample's caption that were changed, with those in their place.

        They are in the order of the captions; none where the foil has no caption.
        """
        if self.caption is None:
            return ()
        return changed_words(caption, self.caption) if self.changed is None else (self.changed,)

    def check(self, caption: str) -> None:
        """Raise ``InputError`` unless ``changed`` lies in a sample's caption."""
        if self.changed is not None:
            _require_inside("changed", self.changed[0], caption)


def _require_inside(argument: str, span: Span, text: str) -> None:
    start, stop = span
    if not 0 <= start <= stop <= len(text):
        raise InputError(
            argument,
            f"holds characters {start} to {stop} of a caption of {len(text)}",
            "pass a place inside it",
        )


def changed_words(caption: str, foil: str) -> tuple[Change, ...]:
    """Return the words in which two captions differ.

    Words are compared in order and without regard to case and punctuation, so that as few as
    possible are replaced, added or left out (Levenshtein's distance of words), and of several
    ways to do that, so that most are kept.

    Parameters
    ----------
    caption, foil
        The captions.

    Returns
    -------
    tuple
        For each place where they differ, ``(start, stop)`` characters of ``caption`` and of
        ``foil``. Words that one of them lacks are an empty span there.
    """
    words, others = (list(_WORD.finditer(text)) for text in (caption, foil))
    changes: list[Change] = []
    first = other_first = 0
    # One more than all words, so that what has changed at the end is found, too.
    for kept, other_kept in [*_kept(words, others), (len(words), len(others))]:
        if (kept, other_kept) != (first, other_first):
            of_caption = _characters(words, first, kept, len(caption))
            changes.append((of_caption, _characters(others, other_first, other_kept, len(foil))))
        first, other_first = kept + 1, other_kept + 1
    return tuple(changes)


def _kept(words: list[re.Match[str]], others: list[re.Match[str]]) -> list[tuple[int, int]]:
    """Return which words are the same in both captions, in order; see :func:`changed_words`."""
    spelled, other_spelled = (
        [word.group().casefold() for word in side] for side in (words, others)
    )
    edit = len(words) + len(others) + 1  # outweighs all words that could be kept
    # The least cost from each pair of words to the ends: of edits, less the words kept.
    costs = [[0] * (len(others) + 1) for _ in range(len(words) + 1)]
    for i in range(len(words), -1, -1):
        for j in range(len(others), -1, -1):
            left, other_left = len(words) - i, len(others) - j
            if not left or not other_left:
                costs[i][j] = edit * (left + other_left)
            elif spelled[i] == other_spelled[j]:
                costs[i][j] = costs[i + 1][j + 1] - 1
            else:
                costs[i][j] = edit + min(costs[i + 1][j + 1], costs[i + 1][j], costs[i][j + 1])
    kept: list[tuple[int, int]] = []
    i = j = 0
    while i < len(words) and j < len(others):
        if spelled[i] == other_spelled[j]:
            kept.append((i, j))
            i, j = i + 1, j + 1
        elif costs[i][j] == edit + costs[i + 1][j + 1]:
            i, j = i + 1, j + 1
        elif costs[i][j] == edit + costs[i + 1][j]:
            i += 1
        else:
            j += 1
    return kept


def _characters(words: list[re.Match[str]], first: int, last: int, length: int) -> Span:
    """Return where words ``first`` to ``last`` stand; an empty place before the next, if none."""
    if first == last:
        start = words[first].start() if first < len(words) else length
        return start, start
    return words[first].start(), words[last - 1].end()
