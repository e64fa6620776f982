"""What has a map of its own in a drawing: the strongest words, or parts of a picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ._content import Content, half_of_mass
from ._numbers import plain, signed
from ._parts import CaptionPart, PicturePart, sign_of
from ._sentence import Chip, chosen_chips

_MOST, _FEWEST = 6, 4
_WEAK = 0.12  # of the strongest
_MOST_ROWS = 3  # of maps
_WINDOWS = 5  # side by side in a grid of patches, of which the strongest have maps


@dataclass(frozen=True)
class Item:
    """Features of one side, of which maps over the other side's pictures are shown.

    Attributes
    ----------
    side, features
        The side, 0 for rows, and features on it.
    title
        A word, or the number of a part of a picture.
    is_special
        Whether it is a special token.
    is_region
        Whether it is a part of a picture.
    """

    side: int
    features: tuple[int, ...]
    title: str
    is_special: bool = False
    is_region: bool = False


def shown_items(
    content: Content, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None
) -> list[Item]:
    """Return what has maps, in reading order.

    That are the words and regions among the features that are given; else the strongest six
    words, or four if the others are weak; of two sides of pictures, the strongest parts of the
    first.
    """
    chosen = [
        item
        for side, features in enumerate((rows, columns))
        for item in _chosen(content, side, features or ())
    ]
    if chosen:
        return [item for item in chosen if np.isfinite(content.value(item.side, item.features))]
    words = [
        item for side in (0, 1) if content.pictures_on(1 - side) for item in _words(content, side)
    ]
    if words:
        return _strongest(content, words, _most(content))
    return _regions(content) if content.pictures_on(0) and content.pictures_on(1) else []


def described(content: Content, items: Iterable[Item]) -> str:
    """Return in a sentence what a drawing shows, for readers who cannot see it."""
    score = ""
    if content.ledger is not None:
        label = content.unit_label[:1].upper() + content.unit_label[1:]
        score = f"{label} {plain(content.ledger.similarity)}. "
    values = ", ".join(
        f"“{item.title}” {signed(content.value(item.side, item.features))}" for item in items
    )
    return f"{score}Maps of {values}." if values else score.strip()


def _chosen(content: Content, side: int, features: Iterable[int]) -> list[Item]:
    """Return the words among features of a side, and one region of all patches."""
    if not content.pictures_on(1 - side):
        return []
    wanted = set(features)
    items = []
    for part in content.captions_on(side):
        local = [feature - part.first for feature in wanted]
        items += [
            _word(content, part, chip) for chip in chosen_chips(part.chips, part.tokens, local)
        ]
    region = sorted(wanted & _patches(content, side))
    if region:
        items.append(Item(side, tuple(region), "region", is_region=True))
    return items


def _patches(content: Content, side: int) -> set[int]:
    return {feature for part in content.pictures_on(side) for feature in part.patches}


def _word(content: Content, part: CaptionPart, chip: Chip) -> Item:
    sign = f"{sign_of(part.weight)} " if content.sides[part.side].is_sum else ""
    is_special = chip.kind == "special"
    return Item(part.side, tuple(part.features(chip)), sign + chip.text, is_special)


def _words(content: Content, side: int) -> list[Item]:
    """Return all words of a side; where captions share their wording, aligned ones together.

    Of several captions that do not, equal words are together.

    Of a pair of captions, words that differ stay apart: what speaks for one and against the
    other is seen in the map of the whole.
    """
    captions = content.captions_on(side)
    folds = content.sides[side].folds
    words = [(part, chip) for part in captions for chip in part.chips if chip.kind == "word"]
    if not folds and len(captions) <= 2:
        return [_word(content, part, chip) for part, chip in words]
    if not folds:
        alike: dict[str, list[tuple[CaptionPart, Chip]]] = {}
        for part, chip in words:
            alike.setdefault(chip.text.casefold(), []).append((part, chip))
        return [_joint(content, some) for some in alike.values()]
    owners = {
        feature: (part, chip)
        for part in captions
        for chip in part.chips
        for feature in part.features(chip)
    }
    items = []
    for fold in folds:
        owned = [owners[feature] for feature in fold.features]
        chips = list({id(chip): (part, chip) for part, chip in owned}.values())
        words = [(part, chip) for part, chip in chips if chip.kind == "word"]
        if not words:
            continue
        differs = len({chip.text.casefold() for _, chip in words}) > 1
        if len(words) == 1 or (differs and len(captions) == 2):
            items += [_word(content, part, chip) for part, chip in words]
        else:
            items.append(Item(side, fold.features, fold.name))
    return items


def _joint(content: Content, words: Sequence[tuple[CaptionPart, Chip]]) -> Item:
    """Return the same word of several captions."""
    if len(words) == 1:
        return _word(content, *words[0])
    features = tuple(feature for part, chip in words for feature in part.features(chip))
    return Item(words[0][0].side, features, words[0][1].text)


def _strength(content: Content, item: Item) -> float:
    maps = content.maps(item.side, item.features).values()
    values = np.concatenate([one.ravel() for one in maps])
    return max(half_of_mass(values), half_of_mass(-values))


def _most(content: Content) -> int:
    """Return how many maps there is room for: one place may be the pictures'."""
    if content.is_caption_on_picture:
        return _MOST
    together = max(len(content.drawn_pictures(side)) for side in (0, 1))
    places = min(_MOST, _MOST_ROWS * (_MOST // together))
    return places - 1 if content.shows_photographs_below else places


def _strongest(content: Content, items: Sequence[Item], most: int) -> list[Item]:
    """Return the strongest items in the order in which they were."""
    strengths = {
        number: _strength(content, item)
        for number, item in enumerate(items)
        if np.isfinite(content.value(item.side, item.features))
    }
    ranked = sorted(strengths, key=lambda number: -strengths[number])
    weak = _WEAK * max(strengths.values(), default=0.0)
    # What cancels in a sum is left out.
    fewest = _FEWEST if content.is_caption_on_picture else 1
    strong = [
        number
        for rank, number in enumerate(ranked[:most])
        if strengths[number] > (weak if rank >= fewest else 0)
    ]
    return [items[number] for number in sorted(strong)]


def _regions(content: Content) -> list[Item]:
    """Return the strongest parts of the rows' pictures, apart from each other and numbered."""
    windows = [window for part in content.drawn_pictures(0) for window in _windows(part)]
    strengths = {}
    for window in windows:
        item = Item(0, window.features, "", is_region=True)
        if np.isfinite(content.value(0, window.features)):
            strengths[window] = _strength(content, item)
    chosen: list[_Window] = []
    for window in sorted(strengths, key=lambda window: -strengths[window]):
        is_apart = not any(window.is_near(other) for other in chosen)
        if is_apart and len(chosen) < _MOST and strengths[window] > 0:
            chosen.append(window)
    chosen.sort(key=lambda window: (window.picture, window.row, window.column))
    return [
        Item(0, window.features, str(number), is_region=True)
        for number, window in enumerate(chosen, 1)
    ]


@dataclass(frozen=True)
class _Window:
    """A square of patches of a picture."""

    picture: int
    row: int
    column: int
    size: int
    features: tuple[int, ...]

    def is_near(self, other: "_Window") -> bool:
        """Return whether another lies over it, or next to it."""
        apart = max(abs(self.row - other.row), abs(self.column - other.column))
        return self.picture == other.picture and apart <= self.size


def _windows(part: PicturePart) -> list[_Window]:
    rows, columns = part.grid
    size = max(1, round(min(rows, columns) / _WINDOWS))
    first = part.patches.start
    return [
        _Window(
            part.number,
            row,
            column,
            size,
            tuple(
                first + (row + down) * columns + column + right
                for down, right in product(range(size), repeat=2)
            ),
        )
        for row in range(rows - size + 1)
        for column in range(columns - size + 1)
    ]
