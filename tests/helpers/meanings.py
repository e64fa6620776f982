"""What captions of drawn scenes say, read by their words alone."""

import re
from collections import Counter
from dataclasses import dataclass

from fpattr_widget.scenes import KINDS, Scene

_COUNTS = {"two": 2, "three": 3, "four": 4}
_SIZES = {"big": "big", "large": "big", "small": "small", "little": "small"}
_GROUNDS = {
    "on the grass": "grass", "on the sand": "sand", "in the snow": "snow",
    "in the water": "water", "in the sky": "sky", "at night": "night", "on the road": "road",
}  # fmt: skip
_POSITIONS = ("on the left", "on the right", "at the top", "at the bottom")
_RELATIONS = {"left of": "left", "right of": "right", "above": "up", "over": "up",
              "below": "down", "under": "down", "next to": "by", "beside": "by"}  # fmt: skip
_FROM_THE_OTHER = {"right": "left", "down": "up"}


@dataclass(frozen=True)
class Meaning:
    """What is said: kinds with their numbers, sizes, and where things are."""

    things: frozenset[tuple[str, int]]
    sizes: frozenset[tuple[str, str]]
    relations: frozenset[tuple[str, tuple[str, ...]]]
    position: str | None
    ground: str | None


def meaning_of(text: str) -> Meaning:
    """Read a caption of a scene."""
    ground = next((name for phrase, name in _GROUNDS.items() if phrase in text), None)
    position = next((phrase for phrase in _POSITIONS if phrase in text), None)
    for phrase in (*_GROUNDS, *_POSITIONS):
        text = text.replace(phrase, " ")
    words = re.findall("[a-z]+|,", text)
    things: Counter[str] = Counter()
    sizes, named = set(), []
    for place, word in enumerate(words):
        kind = next((k.name for k in KINDS.values() if word in (k.name, k.plural)), None)
        if kind:
            before = words[max(0, place - 2) : place]
            things[kind] += next((n for one, n in _COUNTS.items() if one in before), 1)
            sizes |= {(kind, _SIZES[one]) for one in before if one in _SIZES}
            named.append((place, kind))
    relations = set()
    for words_of_it, name in _RELATIONS.items():
        start = _place_of(words_of_it.split(), words)
        if start is not None:
            (_, one), (_, other) = named
            if start < named[0][0]:  # "left of a cat is a dog"
                one, other = other, one
            if name in _FROM_THE_OTHER:
                name, one, other = _FROM_THE_OTHER[name], other, one
            relations.add((name, tuple(sorted((one, other))) if name == "by" else (one, other)))
    return Meaning(
        frozenset(things.items()), frozenset(sizes), frozenset(relations), position, ground
    )


def _place_of(some: list[str], words: list[str]) -> int | None:
    starts = range(len(words) - len(some) + 1)
    return next((start for start in starts if words[start : start + len(some)] == some), None)


def is_true(meaning: Meaning, scene: Scene) -> bool:
    """Judge what a caption that names everything says, by the boxes of a scene."""
    where = {thing.kind: thing.centre for thing in scene.objects}
    extents = {thing.kind: thing.extent for thing in scene.objects}
    counts = Counter(thing.kind for thing in scene.objects)
    if meaning.things != frozenset(counts.items()) or meaning.ground not in (None, scene.ground):
        return False
    small = all((extents[kind] < 0.25) == (size == "small") for kind, size in meaning.sizes)
    big = all((extents[kind] >= 0.4) == (size == "big") for kind, size in meaning.sizes)
    related = all(
        name == "by" or where[one][axis] < where[other][axis] - 0.2
        for name, (one, other) in meaning.relations
        for axis in [0 if name == "left" else 1]
    )
    if meaning.position:
        ((x, y),) = where.values()
        holds = {"on the left": x < 0.4, "on the right": x > 0.6,
                 "at the top": y < 0.4, "at the bottom": y > 0.6}  # fmt: skip
        related = related and holds[meaning.position]
    return small and big and related
