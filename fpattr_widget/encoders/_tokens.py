"""Tokens, and which of them make up a word."""

import unicodedata
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import regex

from ..errors import InputError

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
    unknown
        Whether it stands in the caption and the tokenizer has no piece for it:
        the model reads the same unknown word for all such.
    """

    text: str
    word: int | None
    start: int | None
    stop: int | None
    special: bool
    unknown: bool = False


def word_spans(caption: str) -> list[tuple[int, int]]:
    """Return the ``(start, stop)`` of each word and punctuation mark of ``caption``."""
    return [match.span() for match in _WORD.finditer(caption)]


def find_words(tokens: Sequence[Token], caption: str, text: str) -> list[int]:
    """Return the numbers of the tokens that make up a word, or words that follow each other.

    Parameters
    ----------
    tokens, caption
        What is looked through.
    text
        The words as they stand in the caption; upper and lower case are the
        same unless they tell two places apart. Where no word is so called, a
        special position may be.

    Raises
    ------
    InputError
        When they are not there exactly once.
    """
    groups: dict[object, list[int]] = {}
    for number, token in enumerate(tokens):
        groups.setdefault(("special", number) if token.special else token.word, []).append(number)
    members = [(_spelt([tokens[n] for n in group], caption), group) for group in groups.values()]
    words = [one for one in members if not tokens[one[1][0]].special]
    specials = [one for one in members if tokens[one[1][0]].special]
    asked = [text[start:stop] for start, stop in word_spans(text)]
    found = _places(words, asked) or _places(specials, asked)
    if not found:
        there = ", ".join(repr(word) for word in dict.fromkeys(word for word, _ in words))
        raise InputError(
            "tokens", f"names {text!r}, which is not in the caption", f"pass one of {there}"
        )
    if len(found) > 1:
        numbers = " or ".join(str(numbers) for numbers in found)
        raise InputError(
            "tokens",
            f"names {text!r}, which the caption has {len(found)} times",
            f"pass token numbers, {numbers}",
        )
    return found[0]


def _places(members: Sequence[tuple[str, list[int]]], asked: Sequence[str]) -> list[list[int]]:
    """Return the tokens of each place where words follow each other, as spelt or in any case."""
    for plain in (str, str.casefold):
        wanted = [plain(word) for word in asked]
        spelt = [plain(word) for word, _ in members]
        starts = [n for n in range(len(spelt)) if wanted and spelt[n : n + len(wanted)] == wanted]
        if starts:
            return [
                [number for _, group in members[n : n + len(wanted)] for number in group]
                for n in starts
            ]
    return []


def _spelt(tokens: Sequence[Token], caption: str) -> str:
    """Return what tokens of one word stand for."""
    start, stop = tokens[0].start, tokens[-1].stop
    if start is None or stop is None:
        return "".join(token.text for token in tokens)
    return caption[start:stop]


def align_tokens(
    caption: str,
    offsets: Sequence[tuple[int, int]],
    roles: Sequence[str | None],
    unknown: Sequence[bool] | None = None,
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
    unknown
        Which tokens of the caption the tokenizer does not know; none unless told. Special
        positions never count.

    Returns
    -------
    tuple of Token
    """
    spans = word_spans(caption)
    tokens: list[Token] = []
    numbers: dict[int, int] = {}
    begun = {start for start, _ in offsets}
    marks = [False] * len(roles) if unknown is None else unknown
    for (start, stop), role, mark in zip(offsets, roles, marks, strict=True):
        if role is not None:
            tokens.append(Token(role, None, None, None, True))
            continue
        while start < stop and caption[start].isspace():
            start += 1
        while stop > start and caption[stop - 1].isspace():
            stop -= 1
        # A tokenizer that drops accents leaves them out of what it counts.
        while start < stop and stop not in begun and _is_mark(caption, stop):
            stop += 1
        touched = next((i for i, span in enumerate(spans) if start < span[1]), len(spans))
        if start == stop and spans:  # a space alone: the next word's, at the end the last one's
            start = stop = max(start, spans[touched][0]) if touched < len(spans) else spans[-1][1]
            touched = min(touched, len(spans) - 1)
        word = numbers.setdefault(touched, len(numbers))
        tokens.append(Token(caption[start:stop], word, start, stop, False, mark))
    return tuple(tokens)


def _is_mark(caption: str, place: int) -> bool:
    return place < len(caption) and unicodedata.combining(caption[place]) > 0


def find_offsets(
    caption: str, pieces: Sequence[str], special: Sequence[bool]
) -> list[tuple[int, int]]:
    """Find where the pieces of a tokenizer that tells no offsets stand in the caption.

    Pieces and caption are laid side by side so that most letters agree, without
    regard to case, accents' encoding and compatibility forms; so it does no
    harm that a tokenizer dropped punctuation or changed a letter.

    Parameters
    ----------
    caption
        The text.
    pieces
        The tokens, with the tokenizer's own marks for spaces and word parts;
        an empty one for a word that the tokenizer does not know.
    special
        Which of them are not part of the caption.

    Returns
    -------
    list of (start, stop)
        In code points. What cannot be found takes the text between its
        neighbours, a word for each where there are as many.
    """
    spelt = ["" if mark else _bare(piece) for piece, mark in zip(pieces, special, strict=True)]
    letters, owners = _letters(spelt)
    text, places = _letters(caption)
    found: dict[int, tuple[int, int]] = {}
    for here, there in _common(letters, text):
        start, _ = found.get(owners[here], (places[there], 0))
        found[owners[here]] = (start, places[there] + 1)
    content = [index for index, mark in enumerate(special) if not mark]
    words = [index for index in content if spelt[index] or not pieces[index]]
    for missing in _runs_without(found, words):
        before = (found[index][1] for index in reversed(words) if index < missing[0])
        after = (found[index][0] for index in words if index > missing[-1] and index in found)
        gap = next(before, 0), next(after, len(caption))
        found.update(zip(missing, _share(caption, gap, len(missing)), strict=True))
    # The mark of a space alone stands where the next piece begins.
    position = len(caption)
    for index in reversed(content):
        position, _ = found.setdefault(index, (position, position))
    return [found.get(index, (0, 0)) for index in range(len(pieces))]


def _runs_without(found: Container[int], words: Sequence[int]) -> list[list[int]]:
    """Return each run of words that are not found."""
    runs = groupby(words, key=lambda index: index in found)
    return [list(run) for known, run in runs if not known]


def _bare(piece: str) -> str:
    return piece.removeprefix("##").removesuffix("</w>").strip("▁Ġ ")


def _letters(parts: Sequence[str]) -> tuple[str, list[int]]:
    """Return all letters in a form in which they compare, and of which part each is."""
    letters: list[str] = []
    owners: list[int] = []
    for index, part in enumerate(parts):
        plain = unicodedata.normalize("NFKD", part).casefold()
        kept = [letter for letter in plain if not letter.isspace()]
        letters += kept
        owners += [index] * len(kept)
    return "".join(letters), owners


def _common(first: str, second: str) -> list[tuple[int, int]]:
    """Return the places, in both, of a longest common subsequence."""
    alphabet = set(first)
    kept = [index for index, letter in enumerate(second) if letter in alphabet]
    columns = np.array([ord(second[index]) for index in kept])
    lengths = np.zeros((len(first) + 1, len(kept) + 1), np.int32)
    for row, letter in enumerate(first):
        matched = lengths[row, :-1] + (columns == ord(letter))
        lengths[row + 1, 1:] = np.maximum.accumulate(np.maximum(lengths[row, 1:], matched))
    pairs: list[tuple[int, int]] = []
    row, column = len(first), len(kept)
    while row and column:
        if lengths[row, column] == lengths[row, column - 1]:
            column -= 1
        elif lengths[row, column] == lengths[row - 1, column]:
            row -= 1
        else:
            row, column = row - 1, column - 1
            pairs.append((row, kept[column]))
    return pairs[::-1]


def _share(caption: str, gap: tuple[int, int], count: int) -> list[tuple[int, int]]:
    """Share a gap among ``count`` tokens: a word for each, or all of it for all."""
    start, stop = gap
    words = [(start + a, start + b) for a, b in word_spans(caption[start:stop])]
    words = [(a, b) for a, b in words if any(c.isalnum() for c in caption[a:b])] or words
    if not words:
        return [gap] * count
    return words if len(words) == count else [(words[0][0], words[-1][1])] * count
