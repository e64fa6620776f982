"""Pictures of known objects at known places, those of the examples or freshly drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ...checks import as_count, quoted
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
from ._reading import as_box, phrases
from ._sprites import SpriteFolder, load_sprites, sprite_folder

_SIZE = 128  # pixels
_MOST_OBJECTS = 4


@dataclass(frozen=True)
class RenderedScene:
    """Draws a scene when called; always the same picture.

    Attributes
    ----------
    scene
        The scene to draw.
    sprites
        See :func:`scenes`.
    size
        Length of the picture's sides in pixels.
    """

    scene: Scene
    sprites: SpriteFolder = None
    size: int = _SIZE

    def __call__(self) -> Image.Image:
        return render(self.scene, load_sprites(self.sprites), self.size)


@dataclass(frozen=True)
class ExamplePicture:
    """Opens the picture of a drawn example when called."""

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
    """Draw scenes that the model ``"scenes"`` has not seen, each with a true caption.

    Parameters
    ----------
    number
        Number of scenes.
    seed
        Seeds all that is random.
    kinds
        Kinds of objects, or their names, see :data:`fpattr_widget.scenes.KINDS`;
        those that the model ``"scenes"`` was trained on when ``None``.
    objects
        Numbers of objects that a scene may hold, from 1 to 4.
    sprites
        Path of the folder with the sprites; by default they are looked for as
        :class:`fpattr_widget.scenes.Sprites` says.

    Returns
    -------
    Dataset
        No two captions are the same, and each names every object. Labels are
        the kinds' names. Pictures of 128 × 128 pixels are drawn when a
        sample is measured.

    Raises
    ------
    InputError
        When an argument is wrong, the sprites are missing, or there are not
        that many different captions.
    """
    count = as_count(number, "number")
    counts = checked_objects(objects)
    chosen = checked_kinds(kinds, max(counts))
    folder = sprite_folder(sprites)
    drawn = held_out(
        count,
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
        for index, (scene, caption) in enumerate(drawn)
    ]
    return Dataset("scenes", samples)


def examples() -> Dataset:
    """Return the drawn examples.

    Returns
    -------
    Dataset
        Named as in :func:`fpattr_widget.scenes.example_names`. One caption is
        false on purpose; its word for the absent object is no phrase.
    """
    return Dataset("examples", map(_example, example_names()))


def _example(name: str) -> Sample:
    drawn = example(name)
    marked = _phrases(drawn.mentions, drawn.objects)
    return Sample(name, ExamplePicture(name), drawn.caption, marked)


def _phrases(mentions: Sequence[Mention], objects: Sequence[SceneObject]) -> tuple[Phrase, ...]:
    boxes: dict[tuple[int, int, str], list[Box]] = {}
    for mention in mentions:
        for index in mention.objects:
            thing = objects[index]
            key = (mention.start, mention.stop, thing.kind)
            boxes.setdefault(key, []).append(as_box(thing.box))
    return phrases(boxes)


def checked_objects(objects: Any) -> list[int]:
    """Return numbers of objects; raise ``InputError`` where a scene cannot hold that many."""
    try:
        counts = [as_count(count, "objects") for count in objects]
    except TypeError:
        counts = []
    if not counts or max(counts) > _MOST_OBJECTS:
        raise InputError(
            "objects",
            f"is {quoted(objects)}",
            f"pass a list of numbers from 1 to {_MOST_OBJECTS}",
        )
    return counts


def checked_kinds(kinds: Any, fewest: int) -> list[Kind]:
    """Return kinds by name; raise ``InputError`` where one is unknown or they are too few."""
    if kinds is None:
        return list(TRAINED_KINDS)
    if isinstance(kinds, str | Kind):
        kinds = [kinds]
    try:
        passed = list(kinds)
    except TypeError:
        raise InputError("kinds", f"is {quoted(kinds)}", "pass a list of names") from None
    chosen: dict[str, Kind] = {}
    for kind in passed:
        known = KINDS.get(kind) if isinstance(kind, str) else kind
        if known is None or known not in KINDS.values():
            raise InputError(
                "kinds",
                f"has {quoted(kind)}, which nothing draws",
                "pass names from `fpattr_widget.scenes.KINDS`",
            )
        chosen[known.name] = known
    if len(chosen) < fewest:
        raise InputError(
            "kinds",
            f"has {len(chosen)}, too few for scenes of {fewest} objects",
            "pass more, or smaller numbers as `objects`",
        )
    return list(chosen.values())
