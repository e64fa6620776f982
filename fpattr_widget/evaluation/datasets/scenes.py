"""Scenes: pictures of known objects at known places, bundled or freshly drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ...errors import InputError
from ...scenes import (
    KINDS,
    TRAINED_KINDS,
    Kind,
    Mention,
    Scene,
    SceneObject,
    example,
    example_names,
    held_out,
    render,
)
from .._dataset import Box, Dataset, Phrase, Sample
from ._reading import as_box, as_count, phrases, quoted
from ._sprites import SpriteFolder, load_sprites, sprite_folder

_SIZE = 128  # pixels
_MOST_OBJECTS = 4


@dataclass(frozen=True)
class RenderedScene:
    """Draws a scene when it is called, the same each time.

    Attributes
    ----------
    scene
        What to draw.
    sprites
        See :func:`scenes`.
    size
        Of the picture's side in pixels.
    """

    scene: Scene
    sprites: SpriteFolder = None
    size: int = _SIZE

    def __call__(self) -> Image.Image:
        return render(self.scene, load_sprites(self.sprites), self.size)


@dataclass(frozen=True)
class ExamplePicture:
    """Opens a bundled example's picture when it is called."""

    name: str

    def __call__(self) -> Image.Image:
        return example(self.name).image


def scenes(
    number: int,
    *,
    seed: int = 0,
    kinds: Sequence[str | Kind] | None = None,
    objects: Sequence[int] = (2, 3, 4),
    sprites: Any = None,
) -> Dataset:
    """Draw scenes that the bundled model has not seen, each with a true caption.

    Parameters
    ----------
    number
        How many.
    seed
        Of all that is random.
    kinds
        Kinds of objects, or their names, see :data:`fpattr_widget.scenes.KINDS`;
        those that the bundled model was trained on when ``None``.
    objects
        How many objects a scene may hold, from 1 to 4.
    sprites
        Path of the folder with the sprites; by default they are looked for as
        :class:`fpattr_widget.scenes.Sprites` says.

    Returns
    -------
    Dataset
        No two captions are the same, and each names every object. Labels are
        the kinds' names. Pictures are drawn anew when they are asked for, 128
        × 128 pixels.

    Raises
    ------
    InputError
        When an argument is wrong, the sprites are missing, or there are not
        that many different captions.
    """
    wanted = as_count(number, "number")
    counts = _checked_objects(objects)
    chosen = _checked_kinds(kinds, max(counts))
    folder = sprite_folder(sprites)
    found = held_out(
        wanted,
        load_sprites(folder).aspect_ratios,
        seed=as_count(seed, "seed", least=0),
        kinds=chosen,
        objects=counts,
    )
    samples = [
        Sample(
            f"scene-{index}",
            RenderedScene(scene, folder),
            caption.text,
            _phrases(caption.mentions, scene.objects),
        )
        for index, (scene, caption) in enumerate(found)
    ]
    return Dataset("scenes", samples)


def examples() -> Dataset:
    """Return the bundled examples.

    Returns
    -------
    Dataset
        Named as :func:`fpattr_widget.scenes.example_names` says. One caption
        is not true; its word for what is not there is no phrase.
    """
    return Dataset("examples", map(_example, example_names()))


def _example(name: str) -> Sample:
    shown = example(name)
    marked = _phrases(shown.mentions, shown.objects)
    return Sample(name, ExamplePicture(name), shown.caption, marked)


def _phrases(mentions: Sequence[Mention], objects: Sequence[SceneObject]) -> tuple[Phrase, ...]:
    boxes: dict[tuple[int, int, str], list[Box]] = {}
    for mention in mentions:
        for index in mention.objects:
            thing = objects[index]
            key = (mention.start, mention.stop, thing.kind)
            boxes.setdefault(key, []).append(as_box(thing.box))
    return phrases(boxes)


def _checked_objects(objects: Any) -> list[int]:
    try:
        counts = [as_count(count, "objects") for count in objects]
    except TypeError:
        counts = []
    if not counts or max(counts) > _MOST_OBJECTS:
        raise InputError(
            f"`objects` is {quoted(objects)}: pass a list of numbers from 1 to {_MOST_OBJECTS}."
        )
    return counts


def _checked_kinds(kinds: Any, fewest: int) -> list[Kind]:
    if kinds is None:
        return list(TRAINED_KINDS)
    if isinstance(kinds, str | Kind):
        kinds = [kinds]
    try:
        passed = list(kinds)
    except TypeError:
        raise InputError(f"`kinds` is {quoted(kinds)}: pass a list of names.") from None
    chosen: dict[str, Kind] = {}
    for kind in passed:
        known = KINDS.get(kind) if isinstance(kind, str) else kind
        if known is None or known not in KINDS.values():
            raise InputError(
                f"`kinds` has {quoted(kind)}, which nothing draws: pass names from "
                "`fpattr_widget.scenes.KINDS`."
            )
        chosen[known.name] = known
    if len(chosen) < fewest:
        raise InputError(
            f"`kinds` has {len(chosen)}, too few for scenes of {fewest} objects: pass more, or "
            "smaller numbers as `objects`."
        )
    return list(chosen.values())
