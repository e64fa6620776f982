"""Tokens, their place in the caption, and the words that they make up."""

import unicodedata
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import regex

from ..errors import InputError

# A word consists of letters with their marks and inner apostrophes or hyphens. A Han
# character is a word of its own, and so is every other visible character (an emoji of
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
        The part of the caption that it stands for, or a role such as ``"EOS"``.
    word
        Index of the word that it belongs to; ``None`` for special positions.
    start, stop
        Its characters in the caption (code points); ``None`` for special positions.
    special
        Whether the tokenizer added it to the caption.
    unknown
        Whether it stands for a part of the caption that is not in the tokenizer's
        vocabulary: the model reads the same unknown token for all such parts.
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


def word_groups(tokens: Sequence[Token]) -> tuple[tuple[int, ...], ...]:
    """Return the token numbers of each word; a special position is a group of its own."""
    members: dict[object, list[int]] = {}
    for index, token in enumerate(tokens):
        key = ("special", index) if token.special else token.word
        members.setdefault(key, []).append(index)
    return tuple(map(tuple, members.values()))


def find_words(tokens: Sequence[Token], caption: str, text: str) -> list[int]:
    """Return the numbers of the tokens that make up a word, or several consecutive words.

    Parameters
    ----------
    tokens, caption
        The caption and its tokens.
    text
        The words as they stand in the caption. Case is ignored unless it
        distinguishes two places. If there is no such word, it may be the name of a
        special position.

    Raises
    ------
    InputError
        When the words are not in the caption, or more than once.
    """
    groups = [list(group) for group in word_groups(tokens)]
    spelt = [(spelling([tokens[n] for n in group], caption), group) for group in groups]
    words = [(word, group) for word, group in spelt if not tokens[group[0]].special]
    specials = [(name, group) for name, group in spelt if tokens[group[0]].special]
    sought = [text[start:stop] for start, stop in word_spans(text)]
    places = _places(words, sought) or _places(specials, sought)
    if not places:
        present = ", ".join(repr(word) for word in dict.fromkeys(word for word, _ in words))
        raise InputError(
            "tokens", f"names {text!r}, which is not in the caption", f"pass one of {present}"
        )
    if len(places) > 1:
        numbers = " or ".join(map(str, places))
        raise InputError(
            "tokens",
            f"names {text!r}, which the caption has {len(places)} times",
            f"pass token numbers, {numbers}",
        )
    return places[0]


def _places(words: Sequence[tuple[str, list[int]]], sought: Sequence[str]) -> list[list[int]]:
    """Return the tokens of each run of words with this spelling, or else in any case."""
    for normalise in (str, str.casefold):
        run = [normalise(word) for word in sought]
        spelt = [normalise(word) for word, _ in words]
        starts = [n for n in range(len(spelt)) if run and spelt[n : n + len(run)] == run]
        if starts:
            return [
                [number for _, group in words[n : n + len(run)] for number in group] for n in starts
            ]
    return []


def spelling(tokens: Sequence[Token], caption: str) -> str:
    """Return the text that the tokens of one word stand for."""
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
        ``(start, stop)`` of each token. White space at either end is ignored, since
        some tokenizers count the space before a word as part of it.
    roles
        The role of each special position; ``None`` for others.
    unknown
        Which tokens of the caption the tokenizer does not know; by default none. It is
        ignored for special positions.

    Returns
    -------
    tuple of Token
    """
    spans = word_spans(caption)
    tokens: list[Token] = []
    numbers: dict[int, int] = {}
    starts = {start for start, _ in offsets}
    marks = [False] * len(roles) if unknown is None else unknown
    for (start, stop), role, mark in zip(offsets, roles, marks, strict=True):
        if role is not None:
            tokens.append(Token(role, None, None, None, True))
            continue
        while start < stop and caption[start].isspace():
            start += 1
        while stop > start and caption[stop - 1].isspace():
            stop -= 1
        # A tokenizer that drops accents does not count them in its offsets.
        while start < stop and stop not in starts and _is_mark(caption, stop):
            stop += 1
        index = next((i for i, span in enumerate(spans) if start < span[1]), len(spans))
        if start == stop and spans:  # a space alone belongs to the next word, or the last one
            start = stop = max(start, spans[index][0]) if index < len(spans) else spans[-1][1]
            index = min(index, len(spans) - 1)
        word = numbers.setdefault(index, len(numbers))
        tokens.append(Token(caption[start:stop], word, start, stop, False, mark))
    return tuple(tokens)


def _is_mark(caption: str, place: int) -> bool:
    return place < len(caption) and unicodedata.combining(caption[place]) > 0


def find_offsets(
    caption: str, pieces: Sequence[str], special: Sequence[bool]
) -> list[tuple[int, int]]:
    """Return where the pieces of a tokenizer without offsets stand in the caption.

    Pieces and caption are aligned so that most letters agree, ignoring
    case, compatibility forms and how accents are encoded. It does not matter
    if a tokenizer dropped punctuation or changed a letter.

    Parameters
    ----------
    caption
        The text.
    pieces
        The tokens, with the tokenizer's marks for spaces and word parts;
        empty for a word that the tokenizer does not know.
    special
        Which of them are not part of the caption.

    Returns
    -------
    list of (start, stop)
        In code points. Pieces that do not match get the text between their
        neighbours, one word each if the numbers agree.
    """
    spelt = ["" if mark else _bare(piece) for piece, mark in zip(pieces, special, strict=True)]
    letters, owners = _letters(spelt)
    text, places = _letters(caption)
    matched: dict[int, tuple[int, int]] = {}
    for here, there in _common(letters, text):
        start, _ = matched.get(owners[here], (places[there], 0))
        matched[owners[here]] = (start, places[there] + 1)
    content = [index for index, mark in enumerate(special) if not mark]
    words = [index for index in content if spelt[index] or not pieces[index]]
    for missing in _unmatched_runs(matched, words):
        before = (matched[index][1] for index in reversed(words) if index < missing[0])
        after = (matched[index][0] for index in words if index > missing[-1] and index in matched)
        gap = next(before, 0), next(after, len(caption))
        matched.update(zip(missing, _share(caption, gap, len(missing)), strict=True))
    # A piece that is a space alone stands where the next piece begins.
    position = len(caption)
    for index in reversed(content):
        position, _ = matched.setdefault(index, (position, position))
    return [matched.get(index, (0, 0)) for index in range(len(pieces))]


def _unmatched_runs(matched: Container[int], words: Sequence[int]) -> list[list[int]]:
    """Return each run of consecutive words that are not matched."""
    runs = groupby(words, key=lambda index: index in matched)
    return [list(run) for is_matched, run in runs if not is_matched]


def _bare(piece: str) -> str:
    return piece.removeprefix("##").removesuffix("</w>").strip("▁Ġ ")


def _letters(parts: Sequence[str]) -> tuple[str, list[int]]:
    """Return all letters in a normal form, and the index of the part that each belongs to."""
    letters: list[str] = []
    owners: list[int] = []
    for index, part in enumerate(parts):
        plain = unicodedata.normalize("NFKD", part).casefold()
        kept = [letter for letter in plain if not letter.isspace()]
        letters += kept
        owners += [index] * len(kept)
    return "".join(letters), owners


def _common(first: str, second: str) -> list[tuple[int, int]]:
    """Return the positions, in both texts, of a longest common subsequence."""
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
    """Return places in a gap for ``count`` tokens: a word for each, or all of it for all."""
    start, stop = gap
    words = [(start + a, start + b) for a, b in word_spans(caption[start:stop])]
    words = [(a, b) for a, b in words if any(c.isalnum() for c in caption[a:b])] or words
    if not words:
        return [gap] * count
    return words if len(words) == count else [(words[0][0], words[-1][1])] * count
