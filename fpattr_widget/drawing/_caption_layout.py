"""The caption as lines of chips: the place of each."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ._sentence import Chip

# Shares of the size of the text, of which that of special tokens is smaller.
_SPECIAL_SIZE = 0.68
_PADDING = {"word": 0.16, "mark": 0.04, "special": 0.34}  # on either side
_SPACE = 0.16  # between chips


class TextMeasure(Protocol):
    """Measures the width of texts, and splits them; see ``Typeface``."""

    def width(self, text: str, size: float, /) -> float: ...

    def pieces(self, text: str, available: float, size: float, /) -> list[str]: ...


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
        Before it, in points.
    line, x
        Its place: the line's number, and points from the left.
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
    measure: TextMeasure,
    size: float,
    available: float,
    extra: Mapping[tuple[int, ...], float] | None = None,
) -> list[Placed]:
    """Arrange a caption in lines.

    Parameters
    ----------
    chips, rest
        See ``sentence``.
    measure
        Of the font.
    size
        Of the text, in points.
    available
        Width of a line, in points.
    extra
        Further width of some chips, by their tokens, in points.
    """
    lines: list[list[Placed]] = [[]]
    for group in _inseparable(_pieces(chips, rest, measure, size, extra or {})):
        if lines[-1] and _width([*lines[-1], *group]) > available:
            lines.append([])
        if _width(group) <= available:
            lines[-1] += group
            continue
        for piece in group:
            for part in _split(piece, measure, available):
                if lines[-1] and _width([*lines[-1], part]) > available:
                    lines.append([])
                lines[-1].append(part)
    reads_left = _direction("".join(chip.text for chip in chips if chip.kind != "special")) == "R"
    return [
        piece
        for number, line in enumerate(lines)
        for piece in _placed(line, number, available, reads_left=reads_left)
    ]


def _pieces(
    chips: Sequence[Chip],
    rest: str,
    measure: TextMeasure,
    size: float,
    extra: Mapping[tuple[int, ...], float],
) -> Iterable[tuple[Placed, bool]]:
    """Return the pieces in order, each with whether a line may end before it."""
    before = ""  # the last character

    def piece(chip: Chip | None, text: str, gap: str) -> tuple[Placed, bool]:
        nonlocal before
        kind = chip.kind if chip else "mark"
        text_size = size * (_SPECIAL_SIZE if kind == "special" else 1)
        width = measure.width(text, text_size) + 2 * text_size * _PADDING[kind]
        width += extra.get(chip.tokens, 0.0) if chip else 0.0
        spaced = gap[-1:].isspace()
        may_break = spaced or (kind != "mark" and (_is_wide(before) or _is_wide(text[:1])))
        space = size * (_SPACE if spaced else 0.03)
        before = text[-1:]
        return Placed(chip, text, text_size, width, space), may_break

    for chip in chips:
        text = " ".join(chip.before.split())
        if text:  # not in any token
            yield piece(None, text, chip.before[:1])
        after = chip.before[-1:] if text else chip.before
        yield piece(chip, " ".join(chip.text.split()) or chip.text, after)
    if rest.strip():
        yield piece(None, " ".join(rest.split()), rest[:1])


def _inseparable(pieces: Iterable[tuple[Placed, bool]]) -> list[list[Placed]]:
    groups: list[list[Placed]] = []
    for piece, may_break in pieces:
        if may_break or not groups:
            groups.append([piece])
        else:
            groups[-1].append(piece)
    return groups


def _split(piece: Placed, measure: TextMeasure, available: float) -> list[Placed]:
    padding = piece.width - measure.width(piece.text, piece.size)
    if piece.width <= available:
        return [piece]
    texts = measure.pieces(piece.text, available - padding, piece.size)
    return [
        replace(piece, text=text, width=measure.width(text, piece.size) + padding) for text in texts
    ]


def _width(line: Sequence[Placed]) -> float:
    return sum(piece.width + piece.space for piece in line) - (line[0].space if line else 0)


def _placed(line: list[Placed], number: int, available: float, *, reads_left: bool) -> list[Placed]:
    """Return a line's pieces with their places, each in its reading direction."""
    base = "R" if reads_left else "L"
    directions = [_direction(piece.text) if _is_caption_text(piece) else "" for piece in line]
    # A piece without direction follows its neighbours if they agree, else the line.
    for index, direction in enumerate(directions):
        if not direction:
            before = next((w for w in reversed(directions[:index]) if w), base)
            after = next((w for w in directions[index + 1 :] if w), base)
            directions[index] = before if before == after else base
    order = _reversed_runs(list(range(len(line))), lambda i: directions[i] != base)
    x, left = 0.0, {}
    for place, index in enumerate(order):
        x += line[index].space if place else 0
        left[index] = x
        x += line[index].width
    # Read from the right, the line is laid out as if from the left, and mirrored.
    return [
        replace(piece, line=number, x=available - left[i] - piece.width if reads_left else left[i])
        for i, piece in enumerate(line)
    ]


def _reversed_runs(order: list[int], against: Callable[[int], bool]) -> list[int]:
    """Return an order in which each run of the opposite direction is reversed."""
    turned: list[int] = []
    run: list[int] = []
    for index in order:
        if against(index):
            run.append(index)
        else:
            turned += [*reversed(run), index]
            run = []
    return turned + run[::-1]


def _is_caption_text(piece: Placed) -> bool:
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
