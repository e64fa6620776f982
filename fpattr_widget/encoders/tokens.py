"""Tokens, and which of them make up a word."""

from collections.abc import Sequence
from dataclasses import dataclass

import regex

# Letters with their marks and inner apostrophes or hyphens make a word; Han
# characters stand alone, as does every other visible character (an emoji of
# several code points is one).
_WORD = regex.compile(
    r"\p{Han}|(?:[^\W\p{Han}]\p{M}*)+(?:['’\-](?:[^\W\p{Han}]\p{M}*)+)*|(?=\S)\X",
)


@dataclass(frozen=True)
class Token:
    """One position of the text tower.

    Attributes
    ----------
    text
        What it stands for in the caption, or a role such as ``"EOS"``.
    word
        Index of the word that it belongs to; ``None`` for special positions.
    start, stop
        Its characters in the caption (code points); ``None`` where unknown.
    special
        Whether the tokenizer, not the caption, put it there.
    """

    text: str
    word: int | None
    start: int | None
    stop: int | None
    special: bool


def word_spans(caption: str) -> list[tuple[int, int]]:
    """Return the ``(start, stop)`` of each word and punctuation mark of ``caption``."""
    return [match.span() for match in _WORD.finditer(caption)]


def align_tokens(
    caption: str, offsets: Sequence[tuple[int, int]], roles: Sequence[str | None]
) -> tuple[Token, ...]:
    """Place tokens in the caption and number the words that they make up.

    Parameters
    ----------
    caption
        The text.
    offsets
        ``(start, stop)`` of each token; white space at either end is ignored,
        for some tokenizers count the space before a word as its part.
    roles
        For special positions their role, else ``None``.

    Returns
    -------
    tuple of Token
    """
    spans = word_spans(caption)
    tokens: list[Token] = []
    numbers: dict[int, int] = {}
    for (start, stop), role in zip(offsets, roles, strict=True):
        if role is not None:
            tokens.append(Token(role, None, None, None, True))
            continue
        while start < stop and caption[start].isspace():
            start += 1
        while stop > start and caption[stop - 1].isspace():
            stop -= 1
        touched = next((i for i, span in enumerate(spans) if start < span[1]), len(spans))
        word = numbers.setdefault(touched, len(numbers))
        tokens.append(Token(caption[start:stop], word, start, stop, False))
    return tuple(tokens)


def find_offsets(
    caption: str, pieces: Sequence[str], special: Sequence[bool]
) -> list[tuple[int, int]]:
    """Find where the pieces of a tokenizer that tells no offsets stand in the caption.

    Parameters
    ----------
    caption
        The text.
    pieces
        The tokens, with the tokenizer's own marks for spaces and word parts.
    special
        Which of them are not part of the caption.

    Returns
    -------
    list of (start, stop)
        In code points. Letters are compared without case; what cannot be found
        (an unknown word, a letter that the tokenizer changed) takes the text up
        to the next piece that can.
    """
    folded = "".join(letter.lower()[0] for letter in caption)
    found: list[tuple[int, int] | None] = []
    position = 0
    for piece, mark in zip(pieces, special, strict=True):
        bare = piece.removeprefix("##").removesuffix("</w>").strip("▁Ġ ").lower()
        start = -1 if mark else folded.find(bare, position)
        if start < 0:
            found.append((position, position) if mark else None)
            continue
        found.append((start, start + len(bare)))
        position = start + len(bare)
    offsets: list[tuple[int, int]] = []
    for index, span in enumerate(found):
        if span is None:
            start = offsets[-1][1] if offsets else 0
            later = (
                s[0]
                for s, mark in zip(found[index + 1 :], special[index + 1 :], strict=True)
                if s is not None and not mark
            )
            span = (start, next(later, len(caption)))
        offsets.append(span)
    return offsets
