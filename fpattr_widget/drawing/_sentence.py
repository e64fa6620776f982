"""The caption as a sentence of chips, as in the view: words, marks and special tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import regex

from ..encoders import Token

_MARK = regex.compile(r"[\p{P}\p{S}]+")
_PICTOGRAPH = regex.compile(r"\p{Extended_Pictographic}")
# Not `str.strip`: JavaScript's `trim` removes other characters.
_BLANKS = regex.compile(r"\A\p{White_Space}+|\p{White_Space}+\Z")
_BLANKS_AT_END = regex.compile(r"\p{White_Space}+\Z")
_RUN = 3  # equal special tokens in a row that share one chip: padding
_BLANK = "␣"  # a token that is nothing but a space
_NAMED = 3  # unknown words that are named


@dataclass(frozen=True)
class Chip:
    """A word, a punctuation mark or a special token.

    Attributes
    ----------
    tokens
        The numbers of the tokens that make it up, in order.
    text
        Its text in the caption; of a special token, its name.
    kind
        Which of the three it is.
    before
        The caption's text between the previous chip and this one.
    """

    tokens: tuple[int, ...]
    text: str
    kind: Literal["word", "mark", "special"]
    before: str


def sentence(caption: str, tokens: Sequence[Token]) -> tuple[list[Chip], str]:
    """Return the chips of a caption, and the text after the last one."""
    chips: list[Chip] = []
    cursor = 0
    for members in _groups(tokens):
        parts = [tokens[index] for index in members]
        space = " " if chips else ""
        if parts[0].special:
            times = f" ×{len(members)}" if len(members) >= _RUN else ""
            chips.append(Chip(members, parts[0].text + times, "special", space))
            continue
        starts = [part.start for part in parts if part.start is not None]
        stops = [part.stop for part in parts if part.stop is not None]
        before, text = space, ""
        if starts and stops:
            start = max(cursor, min(starts))
            stop = max(start, *stops)
            whole = caption[start:stop]
            text = _BLANKS.sub("", whole)
            before = caption[cursor:start] + (whole[: whole.index(text)] if text else "")
            if not before and chips and chips[-1].kind == "special":
                before = space
            cursor = min(stop, len(caption))
        text = text or "".join(part.text for part in parts) or _BLANK
        mark = _MARK.fullmatch(text) and not _PICTOGRAPH.search(text)
        chips.append(Chip(members, text, "mark" if mark else "word", before))
    placed = any(token.start is not None for token in tokens)
    return chips, _BLANKS_AT_END.sub("", caption[cursor:]) if placed else ""


def unknown_words(caption: str, tokens: Sequence[Token]) -> list[str]:
    """Return the words, each once, that the tokenizer does not know entirely."""
    chips, _ = sentence(caption, tokens)
    return list(dict.fromkeys(chip.text for chip in chips if is_unknown(chip, tokens)))


def is_unknown(chip: Chip, tokens: Sequence[Token]) -> bool:
    """Return whether the tokenizer does not know a chip entirely."""
    return any(tokens[index].unknown for index in chip.tokens)


def never_seen(words: Sequence[str]) -> str:
    """Return a sentence on words that a model does not know; ``""`` if there are none."""
    if not words:
        return ""
    named = [f"“{word}”" for word in words[:_NAMED]]
    if len(words) > _NAMED:
        named.append(f"{len(words) - _NAMED} more")
    instead = "that is an unknown word" if len(words) == 1 else "they are one unknown word"
    return f"The model has never seen {listed(named)}: to it {instead}."


def listed(names: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def chosen_chips(
    chips: Iterable[Chip], tokens: Sequence[Token], numbers: Iterable[int]
) -> list[Chip]:
    """Return the words that tokens belong to; of a word with only some of its tokens, these."""
    wanted = set(numbers)
    selected = []
    for chip in chips:
        members = tuple(index for index in chip.tokens if index in wanted)
        if members == chip.tokens or (members and chip.kind == "special"):
            selected.append(chip)
        elif members:
            part = "".join(tokens[index].text for index in members)
            selected.append(replace(chip, tokens=members, text=part or _BLANK))
    return selected


def _groups(tokens: Sequence[Token]) -> list[tuple[int, ...]]:
    """Group the tokens of each word, and those of a long run of one special token."""
    groups: list[tuple[int, ...]] = []
    start = 0
    while start < len(tokens):
        first, stop = tokens[start], start + 1
        while stop < len(tokens) and _belong(first, tokens[stop]):
            stop += 1
        if first.special and stop - start < _RUN:
            stop = start + 1
        groups.append(tuple(range(start, stop)))
        start = stop
    return groups


def _belong(first: Token, other: Token) -> bool:
    if first.special:
        return other.special and other.text == first.text
    return not other.special and first.word is not None and other.word == first.word
