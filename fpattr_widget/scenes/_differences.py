"""Two scenes that differ in one thing, and sentences that say what it is."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ._kinds import KINDS, TRAINED_KINDS, Kind
from ._layout import (
    BIG_FROM,
    GROUNDS,
    SMALL_BELOW,
    Scene,
    SceneObject,
    as_large_as,
    exchange,
    find_room,
    fits,
)

Change = Literal["exchange", "presence", "size", "place", "number", "ground"]
Wording = Literal["instead", "clauses"]

#: What may differ: a thing is another one, is there or not, is big or small, stands elsewhere,
#: is there more than once; or the ground is another one.
CHANGES: tuple[Change, ...] = ("exchange", "presence", "size", "place", "number", "ground")

#: ``"a dog instead of a cat"``, or ``"the first picture has a dog, while the second picture has
#: a cat"``.
WORDINGS: tuple[Wording, ...] = ("instead", "clauses")

#: Words of the sentences that no caption of a scene uses; see :func:`vocabulary`.
DIFFERENCE_WORDS = ("first", "instead", "second", "while")

_NUMBERS = {2: "two", 3: "three"}
_MOST_ALIKE = 3
_ATTEMPTS = 12  # draws of a size, before another thing is tried
_SMALLEST, _LARGEST = 0.19, 0.60  # longer sides
_FAR_FROM_THE_MIDDLE = 0.1  # by which a place is called left, right, top or bottom
_ONE_OF = 5  # contents are withheld from training


@dataclass(frozen=True)
class Shown:
    """What is said of one of two scenes.

    Attributes
    ----------
    words
        Such as ``"a dog"``, ``"no dog"`` or ``"on the grass"``.
    objects
        Numbers of the scene's objects that they name.
    """

    words: str
    objects: tuple[int, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Two scenes that differ in one thing.

    Attributes
    ----------
    change
        What kind of thing, one of :data:`CHANGES`.
    scenes
        The first and the second.
    shown
        What is said of each.
    about
        The kinds of object, or the grounds, in question; sorted.
    """

    change: Change
    scenes: tuple[Scene, Scene]
    shown: tuple[Shown, Shown]
    about: tuple[str, ...]

    @property
    def reversed(self) -> "Difference":
        """The second scene less the first."""
        return replace(self, scenes=self.scenes[::-1], shown=self.shown[::-1])

    @property
    def withheld(self) -> bool:
        """Whether training never shows this change of these things; one in five."""
        content = " ".join((self.change, *self.about))
        return hashlib.sha256(content.encode()).digest()[0] % _ONE_OF == 0


@dataclass(frozen=True)
class Told:
    """A sentence that says what differs, the first scene less the second.

    Attributes
    ----------
    text
        The sentence, in lower case.
    contents
        Start and stop of what it says of each scene; exchanging the two gives the sentence of
        the reversed difference.
    names
        Start and stop of the words, without articles, that name objects of each scene.
    """

    text: str
    contents: tuple[tuple[int, int], tuple[int, int]]
    names: tuple[tuple[int, int], tuple[int, int]]


def tell(difference: Difference, wording: Wording = "instead") -> Told:
    """Say what differs between two scenes."""
    first, second = (shown.words for shown in difference.shown)
    verb = "is" if difference.change == "ground" else "has"
    before, between = {
        "instead": ("", " instead of "),
        "clauses": (f"the first picture {verb} ", f", while the second picture {verb} "),
    }[wording]
    text = before + first + between + second
    contents = (len(before), len(before + first)), (len(before + first + between), len(text))
    names = tuple(
        (start + len(words) - len(_without_article(words)), stop)
        for (start, stop), words in zip(contents, (first, second), strict=True)
    )
    return Told(text, contents, (names[0], names[1]))


def change_scene(
    scene: Scene,
    change: Change,
    generator: np.random.Generator,
    aspect_ratios: dict[str, float],
    kinds: Sequence[Kind] = TRAINED_KINDS,
) -> Difference | None:
    """Change one thing of a scene.

    Parameters
    ----------
    scene
        One of the two scenes; where a thing is neither big nor small, both are made of it.
    change
        What to change.
    generator
        Draws all that is random, also which of the two scenes is the first.
    aspect_ratios
        Width over height of each kind's sprite, by name.
    kinds
        What may take a thing's place.

    Returns
    -------
    Difference or None
        ``None`` where the thing that was drawn cannot be changed in this way.
    """
    if change == "ground":
        found = _other_ground(scene, generator)
    else:
        names = [thing.kind for thing in scene.objects]
        lone = [index for index, name in enumerate(names) if names.count(name) == 1]
        if not lone:
            return None
        index = lone[int(generator.integers(len(lone)))]
        if change == "exchange":
            found = _another_thing(scene, index, generator, aspect_ratios, kinds)
        else:
            found = _CHANGES_OF_A_THING[change](scene, index, generator)
    return found.reversed if found and generator.random() < 0.5 else found


def _other_ground(scene: Scene, generator: np.random.Generator) -> Difference | None:
    phrase = GROUNDS[scene.ground]
    if phrase is None:
        return None
    others = [name for name, words in GROUNDS.items() if words and name != scene.ground]
    ground = str(generator.choice(others))
    second = replace(scene, ground=ground)
    about = tuple(sorted((scene.ground, ground)))
    words = Shown(phrase), Shown(str(GROUNDS[ground]))
    return Difference("ground", (scene, second), words, about)


def _another_thing(
    scene: Scene,
    index: int,
    generator: np.random.Generator,
    aspect_ratios: dict[str, float],
    kinds: Sequence[Kind],
) -> Difference | None:
    here = {thing.kind for thing in scene.objects}
    others = [kind for kind in kinds if kind.name not in here]
    if not others:
        return None
    kind, own = others[int(generator.integers(len(others)))], scene.objects[index].kind
    second = exchange(scene, index, kind.name, aspect_ratios)
    shown = Shown(_one(own), (index,)), Shown(_one(kind.name), (index,))
    return Difference("exchange", (scene, second), shown, tuple(sorted((own, kind.name))))


def _without_thing(scene: Scene, index: int, generator: np.random.Generator) -> Difference | None:
    if len(scene.objects) < 2:
        return None
    kind = scene.objects[index].kind
    others = scene.objects[:index] + scene.objects[index + 1 :]
    shown = Shown(_one(kind), (index,)), Shown(f"no {kind}")
    return Difference("presence", (scene, replace(scene, objects=others)), shown, (kind,))


def _other_size(scene: Scene, index: int, generator: np.random.Generator) -> Difference | None:
    thing = scene.objects[index]
    others = scene.objects[:index] + scene.objects[index + 1 :]
    versions: list[tuple[Scene, Shown]] = []
    for words, smallest, largest in (
        (("big", "large"), BIG_FROM, _LARGEST),
        (("small", "little"), _SMALLEST, SMALL_BELOW),
    ):
        drawn = (as_large_as(thing, generator.uniform(smallest, largest)) for _ in range(_ATTEMPTS))
        as_it_is = [thing] if smallest <= thing.extent < largest else []
        version = next((one for one in (*as_it_is, *drawn) if fits(one, others)), None)
        if version is None:
            return None
        shown = Shown(_one(thing.kind, str(generator.choice(words))), (index,))
        versions.append((_with(scene, index, version), shown))
    (big, big_shown), (small, small_shown) = versions
    return Difference("size", (big, small), (big_shown, small_shown), (thing.kind,))


def _other_place(scene: Scene, index: int, generator: np.random.Generator) -> Difference | None:
    thing = scene.objects[index]
    left, top, right, bottom = thing.box
    x, y = (coordinate - 0.5 for coordinate in thing.centre)
    ways = []
    if abs(x) > _FAR_FROM_THE_MIDDLE:
        places = ("on the left", "on the right")
        ways.append((x, places, (1 - right, top, 1 - left, bottom)))
    if abs(y) > _FAR_FROM_THE_MIDDLE:
        places = ("at the top", "at the bottom")
        ways.append((y, places, (left, 1 - bottom, right, 1 - top)))
    if not ways:
        return None
    offset, (near, far), box = ways[int(generator.integers(len(ways)))]
    moved = replace(thing, box=box)
    if not fits(moved, scene.objects[:index] + scene.objects[index + 1 :]):
        return None
    places = (near, far) if offset < 0 else (far, near)
    first, second = (Shown(f"{_one(thing.kind)} {place}", (index,)) for place in places)
    scenes = scene, _with(scene, index, moved)
    return Difference("place", scenes, (first, second), (thing.kind,))


def _more_of_it(scene: Scene, index: int, generator: np.random.Generator) -> Difference | None:
    thing = scene.objects[index]
    count = int(generator.integers(2, _MOST_ALIKE + 1))
    objects = list(scene.objects)
    for _ in range(count - 1):
        copy = find_room(thing, objects, generator)
        if copy is None:
            return None
        objects.append(copy)
    alike = (index, *range(len(scene.objects), len(objects)))
    shown = (
        Shown(f"{_NUMBERS[count]} {KINDS[thing.kind].plural}", alike),
        Shown(_one(thing.kind), (index,)),
    )
    scenes = replace(scene, objects=tuple(objects)), scene
    return Difference("number", scenes, shown, (thing.kind,))


_CHANGES_OF_A_THING: dict[str, Callable[[Scene, int, np.random.Generator], Difference | None]] = {
    "presence": _without_thing,
    "size": _other_size,
    "place": _other_place,
    "number": _more_of_it,
}


def _with(scene: Scene, index: int, thing: SceneObject) -> Scene:
    return replace(scene, objects=(*scene.objects[:index], thing, *scene.objects[index + 1 :]))


def _one(kind: str, adjective: str = "") -> str:
    """Return words for one thing of a kind, such as ``"a big dog"`` or ``"grapes"``."""
    article = KINDS[kind].article
    if adjective and article:
        article = "a"
    return " ".join(word for word in (article, adjective, kind) if word)


def _without_article(words: str) -> str:
    first, _, rest = words.partition(" ")
    return rest if first in ("a", "an") else words
