"""Captions of scenes, true and false."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._kinds import KINDS, TRAINED_KINDS, Kind
from ._layout import BIG_FROM, GROUNDS, SMALL_BELOW, Scene, SceneObject

#: What captions begin with.
OPENINGS = ("", "", "", "", "a picture of ", "a photo of ", "there is ", "this is ", "i see ")

#: Words for where in the picture a thing is.
PLACES = ("on the left", "on the right", "at the top", "at the bottom")

_OPPOSITE_PLACES = {
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
    "over": "under",
    "under": "over",
    "top": "bottom",
    "bottom": "top",
}
_OPPOSITE_SIZES = {"big": "small", "small": "big", "large": "little", "little": "large"}
_OPPOSITES = _OPPOSITE_PLACES | _OPPOSITE_SIZES

#: Words for how many things of a kind there are.
NUMBERS = {2: "two", 3: "three", 4: "four"}


@dataclass(frozen=True)
class Mention:
    """Characters ``start`` to ``stop`` of a caption name these objects of the scene."""

    start: int
    stop: int
    objects: tuple[int, ...]


@dataclass(frozen=True)
class Caption:
    """A sentence and where it names which objects."""

    text: str
    mentions: tuple[Mention, ...]


class _Writer:
    """Collects a caption's text and the places of its nouns."""

    def __init__(self) -> None:
        self.text = ""
        self.mentions: list[Mention] = []

    def say(self, words: str) -> None:
        self.text += words

    def name(self, noun: str, objects: tuple[int, ...]) -> None:
        self.mentions.append(Mention(len(self.text), len(self.text) + len(noun), objects))
        self.text += noun

    def caption(self) -> Caption:
        return Caption(self.text, tuple(self.mentions))


def vocabulary() -> list[str]:
    """All words that :func:`describe` can use, sorted."""
    words = {"a", "an", "and", "at", "with", "next", "to", "the", "of", "beside", "."}
    words |= set(_OPPOSITES) | set(NUMBERS.values())
    for phrase in (*OPENINGS, *(phrase or "" for phrase in GROUNDS.values())):
        words |= set(phrase.split())
    for kind in KINDS.values():
        words |= {kind.name, kind.plural}
    return sorted(words | {",", "are", "no", "is", "in", "on", "has"})


def _size_word(extent: float, generator: np.random.Generator) -> str:
    if extent < SMALL_BELOW:
        return str(generator.choice(["small", "little"]))
    if extent >= BIG_FROM:
        return str(generator.choice(["big", "large"]))
    return ""


def _noun_phrase(
    writer: _Writer, scene: Scene, group: tuple[int, ...], generator: np.random.Generator
) -> None:
    kind = KINDS[scene.objects[group[0]].kind]
    if len(group) > 1:
        writer.say(NUMBERS[len(group)] + " ")
        writer.name(kind.plural, group)
        return
    size = _size_word(scene.objects[group[0]].extent, generator)
    if size and generator.random() < 0.3:
        writer.say(f"a {size} " if kind.article else f"{size} ")
    elif kind.article:
        writer.say(kind.article + " ")
    writer.name(kind.name, group)


def _directions(first: SceneObject, second: SceneObject) -> list[list[str]]:
    """Return the true relations of the first object to the second, each in several wordings."""
    (x1, y1), (x2, y2) = first.centre, second.centre
    across, down = x1 - x2, y1 - y2
    relations = []
    if abs(across) > 0.2:
        side = "left" if across < 0 else "right"
        relations.append([f"to the {side} of", f"{side} of"])
    if abs(down) > 0.2:
        relations.append(["above", "over"] if down < 0 else ["below", "under"])
    return relations


def _places(thing: SceneObject) -> list[str]:
    """Return true phrases for where in the picture an object is."""
    x, y = thing.centre
    true = (x < 0.4, x > 0.6, y < 0.4, y > 0.6)
    return [words for words, holds in zip(PLACES, true, strict=True) if holds]


def _relation(first: SceneObject, second: SceneObject, generator: np.random.Generator) -> str:
    choices = [words for way in _directions(first, second) for words in way]
    distance = np.hypot(*np.subtract(first.centre, second.centre))
    if not choices or (distance < 0.55 and generator.random() < 0.25):
        choices = ["next to", "beside"]
    return str(generator.choice(choices))


def _groups(scene: Scene) -> list[tuple[int, ...]]:
    by_kind: dict[str, list[int]] = {}
    for index, thing in enumerate(scene.objects):
        by_kind.setdefault(thing.kind, []).append(index)
    return [tuple(indices) for indices in by_kind.values()]


def describe(scene: Scene, generator: np.random.Generator, *, complete: bool = False) -> Caption:
    """Write a random true caption of ``scene``.

    Parameters
    ----------
    scene
        What to describe; it holds at least one object.
    generator
        Draws all that is random.
    complete
        Name every object; otherwise some may be left out.

    Returns
    -------
    Caption
        Lower-case text, each noun linked to its objects.
    """
    writer = _Writer()
    writer.say(str(generator.choice(OPENINGS)))
    groups = _groups(scene)
    order = [groups[i] for i in generator.permutation(len(groups))]
    if not complete and len(order) > 1 and generator.random() < 0.4:
        order = order[: int(generator.integers(1, len(order)))]
    pair = len(order) == 2 and len(order[0]) == len(order[1]) == 1
    if pair and generator.random() < 0.65:
        _noun_phrase(writer, scene, order[0], generator)
        first, second = (scene.objects[group[0]] for group in order)
        writer.say(f" {_relation(first, second, generator)} ")
        _noun_phrase(writer, scene, order[1], generator)
    else:
        joint = str(generator.choice([" and ", " and ", " with "]))
        for position, group in enumerate(order):
            if position:
                writer.say(joint if position == len(order) - 1 else ", ")
            _noun_phrase(writer, scene, group, generator)
    lone = len(order) == 1 and len(order[0]) == 1
    places = _places(scene.objects[order[0][0]]) if lone else []
    if places and generator.random() < 0.3:
        writer.say(f" {generator.choice(places)}")
    _ground_phrase(writer, scene, generator)
    return writer.caption()


def single_out(scene: Scene, generator: np.random.Generator) -> list[Caption]:
    """Write a true caption of each thing of ``scene``, which names nothing else.

    Parameters
    ----------
    scene
        What to describe.
    generator
        Draws all that is random.

    Returns
    -------
    list of Caption
        One for each kind of object, in the order of the objects.
    """
    captions = []
    for group in _groups(scene):
        writer = _Writer()
        writer.say(str(generator.choice(OPENINGS)))
        _noun_phrase(writer, scene, group, generator)
        places = _places(scene.objects[group[0]]) if len(group) == 1 else []
        if places and generator.random() < 0.2:
            writer.say(f" {generator.choice(places)}")
        captions.append(writer.caption())
    return captions


def ground_named(scene: Scene, caption: Caption) -> str | None:
    """Return the words of a caption that name the ground of ``scene``, or ``None``."""
    phrase = GROUNDS[scene.ground]
    return phrase if phrase and caption.text.endswith(" " + phrase) else None


def misplace(scene: Scene, caption: Caption, generator: np.random.Generator) -> str | None:
    """Return the caption with another ground, or ``None`` if it names no ground."""
    phrase = ground_named(scene, caption)
    if phrase is None:
        return None
    others = [other for other in GROUNDS.values() if other not in (None, phrase)]
    return f"{caption.text.removesuffix(phrase)}{generator.choice(others)}"


def _ground_phrase(writer: _Writer, scene: Scene, generator: np.random.Generator) -> None:
    phrase = GROUNDS[scene.ground]
    if phrase and generator.random() < 0.35:
        writer.say(" " + phrase)


def locate(scene: Scene, generator: np.random.Generator) -> tuple[Caption, str] | None:
    """Write a true caption that says where an object is, and its opposite.

    Parameters
    ----------
    scene
        What to describe.
    generator
        Draws all that is random.

    Returns
    -------
    tuple or None
        The caption, and a text that is false because one word differs;
        ``None`` where no object is clearly to one side.
    """
    lone = [group[0] for group in _groups(scene) if len(group) == 1]
    related = [
        (first, second, words)
        for first, second in itertools.permutations(lone, 2)
        for words in _directions(scene.objects[first], scene.objects[second])
    ]
    placed = [(index, words) for index in lone for words in _places(scene.objects[index])]
    writer = _Writer()
    writer.say(str(generator.choice(OPENINGS)))
    if related and (not placed or generator.random() < 0.75):
        first, second, choices = related[int(generator.integers(len(related)))]
        _noun_phrase(writer, scene, (first,), generator)
        writer.say(f" {generator.choice(choices)} ")
        _noun_phrase(writer, scene, (second,), generator)
    elif placed:
        index, place = placed[int(generator.integers(len(placed)))]
        _noun_phrase(writer, scene, (index,), generator)
        writer.say(f" {place}")
    else:
        return None
    _ground_phrase(writer, scene, generator)
    caption = writer.caption()
    turned = re.sub(
        r"[a-z]+", lambda word: _OPPOSITE_PLACES.get(word.group(), word.group()), caption.text
    )
    return caption, turned


def contradict(
    scene: Scene,
    caption: Caption,
    generator: np.random.Generator,
    kinds: Sequence[Kind] = TRAINED_KINDS,
) -> str:
    """Change one word of ``caption`` so that it no longer fits ``scene``.

    A relation or a size is replaced by its opposite where the caption has one;
    otherwise a noun by another of ``kinds`` that the scene does not hold.
    """
    turnable = [m for m in re.finditer(r"[a-z]+", caption.text) if m.group() in _OPPOSITES]
    if turnable and generator.random() < 0.75:
        match = turnable[int(generator.integers(len(turnable)))]
        start, stop, word = match.start(), match.end(), _OPPOSITES[match.group()]
    else:
        mention = caption.mentions[int(generator.integers(len(caption.mentions)))]
        present = {thing.kind for thing in scene.objects}
        article = KINDS[scene.objects[mention.objects[0]].kind].article
        absent = [
            kind for kind in kinds if kind.name not in present and kind.article == (article or "a")
        ]
        kind = absent[int(generator.integers(len(absent)))]
        start, stop = mention.start, mention.stop
        word = kind.plural if len(mention.objects) > 1 else kind.name
    return caption.text[:start] + word + caption.text[stop:]
