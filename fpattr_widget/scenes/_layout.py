"""The objects of a scene and their boxes, independent of pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ._kinds import TRAINED_KINDS, Kind

SMALL_BELOW = 0.25
BIG_FROM = 0.40

_MARGIN = 0.01  # between an object and the picture's edge
_MOST_OVERLAP = 0.06  # of the smaller of two objects
_ATTEMPTS = 40  # to place an object

#: Grounds with their phrases in captions; ``None`` where captions do not name it.
GROUNDS: dict[str, str | None] = {
    "grass": "on the grass",
    "sand": "on the sand",
    "snow": "in the snow",
    "water": "in the water",
    "sky": "in the sky",
    "night": "at night",
    "road": "on the road",
    "plain": None,
}


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene.

    Attributes
    ----------
    kind
        Name of its kind.
    box
        ``(left, top, right, bottom)`` as fractions of the picture's side.
    mirrored
        Whether the sprite is drawn mirrored.
    """

    kind: str
    box: tuple[float, float, float, float]
    mirrored: bool = False

    @property
    def centre(self) -> tuple[float, float]:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def extent(self) -> float:
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


@dataclass(frozen=True)
class Scene:
    """Objects on a ground; ``texture`` seeds the ground's random pattern."""

    objects: tuple[SceneObject, ...]
    ground: str
    texture: int


def mirror(scene: Scene) -> Scene:
    """Return the scene of the mirrored picture."""
    objects = []
    for thing in scene.objects:
        left, top, right, bottom = thing.box
        objects.append(
            SceneObject(thing.kind, (1 - right, top, 1 - left, bottom), not thing.mirrored)
        )
    return Scene(tuple(objects), scene.ground, scene.texture)


def exchange(scene: Scene, index: int, kind: str, aspect_ratios: dict[str, float]) -> Scene:
    """Return the same scene with one object exchanged for one of another kind.

    Parameters
    ----------
    scene
        The scene.
    index
        Number of the object.
    kind
        Name of the kind that takes its place, as large as fits into its box.
    aspect_ratios
        Width over height of each kind's sprite, by name.
    """
    thing = scene.objects[index]
    left, top, right, bottom = thing.box
    ratio = aspect_ratios[kind]
    width = min(right - left, ratio * (bottom - top))
    (x, y), height = thing.centre, width / ratio
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    objects = list(scene.objects)
    objects[index] = SceneObject(kind, box, thing.mirrored)
    return Scene(tuple(objects), scene.ground, scene.texture)


def sample_quarters(
    generator: np.random.Generator,
    aspect_ratios: dict[str, float],
    *,
    kinds: Sequence[Kind] = TRAINED_KINDS,
) -> list[Scene]:
    """Draw four scenes of one object each, all of different kinds, for :func:`join`."""
    chosen = [kinds[i] for i in generator.choice(len(kinds), 4, replace=False)]
    return [
        sample_scene(generator, aspect_ratios, kinds=[kind], count=1, extents=(0.45, 0.9))
        for kind in chosen
    ]


def join(quarters: Sequence[Scene]) -> Scene:
    """Return the scene of four pictures put together two by two, in reading order."""
    objects = []
    for index, quarter in enumerate(quarters):
        row, column = divmod(index, 2)
        for thing in quarter.objects:
            left, top, right, bottom = thing.box
            box = (
                (left + column) / 2,
                (top + row) / 2,
                (right + column) / 2,
                (bottom + row) / 2,
            )
            objects.append(SceneObject(thing.kind, box, thing.mirrored))
    return Scene(tuple(objects), "plain", 0)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return width * height / smaller


def fits(thing: SceneObject, others: Sequence[SceneObject]) -> bool:
    """Return whether an object lies in the picture and beside the others."""
    return (
        min(thing.box) >= _MARGIN
        and max(thing.box) <= 1 - _MARGIN
        and all(_overlap(thing.box, other.box) < _MOST_OVERLAP for other in others)
    )


def as_large_as(thing: SceneObject, extent: float) -> SceneObject:
    """Return an object scaled to an extent about its centre, moved into the picture if need be."""
    left, top, right, bottom = thing.box
    factor = extent / thing.extent
    starts = []
    for start, stop in ((left, right), (top, bottom)):
        length = factor * (stop - start)
        middle = (start + stop) / 2
        starts.append((min(max(middle - length / 2, _MARGIN), 1 - _MARGIN - length), length))
    (left, width), (top, height) = starts
    return replace(thing, box=(left, top, left + width, top + height))


def find_room(
    thing: SceneObject, others: Sequence[SceneObject], generator: np.random.Generator
) -> SceneObject | None:
    """Return a copy of an object at a free place, or ``None`` where none is found."""
    left, top, right, bottom = thing.box
    width, height = right - left, bottom - top
    for _ in range(_ATTEMPTS):
        x = generator.uniform(_MARGIN, 1 - _MARGIN - width)
        y = generator.uniform(_MARGIN, 1 - _MARGIN - height)
        copy = SceneObject(thing.kind, (x, y, x + width, y + height), thing.mirrored)
        if fits(copy, others):
            return copy
    return None


def sample_scene(
    generator: np.random.Generator,
    aspect_ratios: dict[str, float],
    *,
    kinds: Sequence[Kind] = TRAINED_KINDS,
    count: int | None = None,
    extents: tuple[float, float] | None = None,
) -> Scene:
    """Draw a random scene.

    Parameters
    ----------
    generator
        Draws all that is random.
    aspect_ratios
        Width over height of each kind's sprite, by name.
    kinds
        Kinds to choose from.
    count
        Number of objects wanted, one to four; random when ``None``. A crowded
        draw may place fewer.
    extents
        Smallest and largest longer side of an object, as fractions of the
        picture's; by ``count`` when ``None``.

    Returns
    -------
    Scene
        The ground is drawn independently of the objects.
    """
    wanted = int(generator.integers(1, 5)) if count is None else count
    chosen = [kinds[i] for i in generator.choice(len(kinds), wanted, replace=False)]
    if wanted > 1 and generator.random() < 0.08:
        chosen[1] = chosen[0]
    smallest, largest = extents or (0.19, 0.62 if wanted == 1 else 0.46)
    placed: list[SceneObject] = []
    for kind in chosen:
        for attempt in range(_ATTEMPTS):
            largest_now = max(smallest + 0.06, largest - 0.008 * attempt)
            extent = generator.uniform(smallest, largest_now)
            ratio = aspect_ratios[kind.name]
            width, height = (extent, extent / ratio) if ratio >= 1 else (extent * ratio, extent)
            left = generator.uniform(_MARGIN, 1 - _MARGIN - width)
            top = generator.uniform(_MARGIN, 1 - _MARGIN - height)
            box = (left, top, left + width, top + height)
            if all(_overlap(box, other.box) < _MOST_OVERLAP for other in placed):
                placed.append(SceneObject(kind.name, box, bool(generator.random() < 0.5)))
                break
    ground = str(generator.choice(list(GROUNDS)))
    return Scene(tuple(placed), ground, int(generator.integers(2**31)))
