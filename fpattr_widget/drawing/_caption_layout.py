"""The caption as lines of chips: where each stands."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ._sentence import Chip

_SMALL = 0.68  # size of special tokens' text, of the caption's
_PADDING = {"word": 0.16, "mark": 0.04, "special": 0.34}  # on either side, of the text's own size
_SPACE = 0.16  # between chips, of the caption's size


class Measure(Protocol):
    """Says how wide texts are, and cuts them; see ``Typeface``."""

    def width(self, text: str, size: float, /) -> float: ...

    def pieces(self, text: str, room: float, size: float, /) -> list[str]: ...


@dataclass(frozen=True)
class Placed:
    """A chip, part of one that fills more than a line, or plain text between chips.

    Attributes
    ----------
    chip
        ``None`` for plain text.
    text
        What is written.
    size
        Of the text, in points.
    width
        With padding, in points.
    space
        Before it, in points; where it is zero, no line ends before it.
    line, x
        Where it stands.
    """

    chip: Chip | None
    text: str
    size: float
    width: float
    space: float
    line: int = 0
    x: float = 0.0


def place(
    chips: Sequence[Chip],
    rest: str,
    measure: Measure,
    size: float,
    room: float,
    extra: Mapping[tuple[int, ...], float] | None = None,
) -> list[Placed]:
    """Set a caption in lines.

    Parameters
    ----------
    chips, rest
        See ``sentence``.
    measure
        Of the font.
    size
        Of the text, in points.
    room
        Width of a line, in points.
    extra
        Further width of some chips, by their tokens, in points.
    """
    lines: list[list[Placed]] = [[]]
    for group in _inseparable(_pieces(chips, rest, measure, size, extra or {})):
        if lines[-1] and _width([*lines[-1], *group]) > room:
            lines.append([])
        if _width(group) <= room:
            lines[-1] += group
            continue
        for piece in group:
            for part in _cut(piece, measure, room):
                if lines[-1] and _width([*lines[-1], part]) > room:
                    lines.append([])
                lines[-1].append(part)
    reads_left = _direction("".join(chip.text for chip in chips if chip.kind != "special")) == "R"
    return [
        piece
        for number, line in enumerate(lines)
        for piece in _set(line, number, room, reads_left=reads_left)
    ]


def _pieces(
    chips: Sequence[Chip],
    rest: str,
    measure: Measure,
    size: float,
    extra: Mapping[tuple[int, ...], float],
) -> Iterable[tuple[Placed, bool]]:
    """Return what is to be placed, and whether a line may end before it."""
    before = ""  # the last character

    def piece(chip: Chip | None, text: str, gap: str) -> tuple[Placed, bool]:
        nonlocal before
        kind = chip.kind if chip else "mark"
        own = size * (_SMALL if kind == "special" else 1)
        width = measure.width(text, own) + 2 * own * _PADDING[kind]
        width += extra.get(chip.tokens, 0.0) if chip else 0.0
        spaced = gap[-1:].isspace()
        free = spaced or (kind != "mark" and (_is_wide(before) or _is_wide(text[:1])))
        space = size * (_SPACE if spaced else 0.03)
        before = text[-1:]
        return Placed(chip, text, own, width, space), free

    for chip in chips:
        text = " ".join(chip.before.split())
        if text:  # what the tokenizer left out
            yield piece(None, text, chip.before[:1])
        after = chip.before[-1:] if text else chip.before
        yield piece(chip, " ".join(chip.text.split()) or chip.text, after)
    if rest.strip():
        yield piece(None, " ".join(rest.split()), rest[:1])


def _inseparable(pieces: Iterable[tuple[Placed, bool]]) -> list[list[Placed]]:
    groups: list[list[Placed]] = []
    for piece, free in pieces:
        if free or not groups:
            groups.append([piece])
        else:
            groups[-1].append(piece)
    return groups


def _cut(piece: Placed, measure: Measure, room: float) -> list[Placed]:
    padding = piece.width - measure.width(piece.text, piece.size)
    if piece.width <= room:
        return [piece]
    texts = measure.pieces(piece.text, room - padding, piece.size)
    return [
        replace(piece, text=text, width=measure.width(text, piece.size) + padding) for text in texts
    ]


def _width(line: Sequence[Placed]) -> float:
    return sum(piece.width + piece.space for piece in line) - (line[0].space if line else 0)


def _set(line: list[Placed], number: int, room: float, *, reads_left: bool) -> list[Placed]:
    """Return a line's pieces at their places, each in the direction in which it is read."""
    base = "R" if reads_left else "L"
    ways = [_direction(piece.text) if _is_spoken(piece) else "" for piece in line]
    # What has no direction follows its neighbours where they agree, else the line.
    for index, way in enumerate(ways):
        if not way:
            before = next((w for w in reversed(ways[:index]) if w), base)
            after = next((w for w in ways[index + 1 :] if w), base)
            ways[index] = before if before == after else base
    order = _turned(list(range(len(line))), lambda i: ways[i] != base)
    x, left = 0.0, {}
    for place, index in enumerate(order):
        x += line[index].space if place else 0
        left[index] = x
        x += line[index].width
    # Read from the right, the line is laid out as if from the left, and mirrored.
    return [
        replace(piece, line=number, x=room - left[i] - piece.width if reads_left else left[i])
        for i, piece in enumerate(line)
    ]


def _turned(order: list[int], against: Callable[[int], bool]) -> list[int]:
    """Return an order with each run that is read the other way turned round."""
    turned: list[int] = []
    run: list[int] = []
    for index in order:
        if against(index):
            run.append(index)
        else:
            turned += [*reversed(run), index]
            run = []
    return turned + run[::-1]


def _is_spoken(piece: Placed) -> bool:
    return piece.chip is None or piece.chip.kind != "special"


def _direction(text: str) -> str:
    """Return ``"L"`` or ``"R"`` by the first character that has a direction, or ``""``."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "EN", "AN"):
            return "L"
        if kind in ("R", "AL"):
            return "R"
    return ""


def _is_wide(character: str) -> bool:
    return bool(character) and unicodedata.east_asian_width(character) in "WF"
