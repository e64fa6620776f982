"""What stays pinned when other inputs are shown in the same view."""

from collections import Counter
from collections.abc import Iterable

from ..encoders import Crop, Panel, Sentence, Side, spelling, word_groups


def carried_pins(pins: Iterable[int], before: Side, after: Side) -> list[int]:
    """Return the features of a side that stand for those pinned before.

    Panels are compared by their number. Words are found again by their text, the second "a" as
    the second "a"; patches if the grid is the same; special positions by their name.

    Parameters
    ----------
    pins
        Numbers of features of ``before``.
    before, after
        The side as it was shown, and as it is shown now.

    Returns
    -------
    list of int
        Numbers of features of ``after``, in order.
    """
    pinned = set(pins)
    carried: list[int] = []
    for number, (old, new) in enumerate(zip(before.panels, after.panels, strict=False)):
        first, now = before.offsets[number], after.offsets[number]
        there = _units(new)
        for key, features in _units(old).items():
            chosen = [first + feature in pinned for feature in features]
            found = there.get(key, ())
            if len(found) == len(features):
                carried += [
                    now + f for f, is_chosen in zip(found, chosen, strict=True) if is_chosen
                ]
            elif all(chosen):  # a word that is cut into other pieces now
                carried += [now + feature for feature in found]
    return sorted(carried)


#: Text and role of a word, and how many like it stand before it; or a place in a grid.
_Key = tuple[object, ...]


def _units(panel: Panel) -> dict[_Key, tuple[int, ...]]:
    """Return the features of each word or place of a panel."""
    if isinstance(panel, Sentence):
        seen: Counter[tuple[str, bool]] = Counter()
        units: dict[_Key, tuple[int, ...]] = {}
        for group in word_groups(panel.tokens):
            tokens = [panel.tokens[number] for number in group]
            key = spelling(tokens, panel.caption), tokens[0].special
            units[*key, seen[key]] = tuple(group)
            seen[key] += 1
        return units
    if isinstance(panel, Crop):
        names = len(panel.special)
        return {
            **{(name, True): (number,) for number, name in enumerate(panel.special)},
            **{
                (panel.grid, place): (names + place,)
                for place in range(panel.grid[0] * panel.grid[1])
            },
        }
    return {}
