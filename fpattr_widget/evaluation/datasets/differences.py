"""Two drawn scenes that differ in one thing, and a sentence that says what it is."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ...checks import as_count, quoted
from ...encoders import check_choice
from ...errors import InputError
from ...scenes import (
    CHANGES,
    WORDINGS,
    Change,
    Difference,
    Kind,
    Scene,
    Wording,
    change_scene,
    sample_scene,
    tell,
)
from .._dataset import Dataset, Phrase, Sample
from ._reading import as_box
from ._sprites import SpriteFolder, load_sprites, sprite_folder
from .scenes import RenderedScene, checked_kinds, checked_objects

Name = TypeVar("Name", bound=str)

_STREAM = 4  # training draws from 0, other data sets from 1 to 3
_PATIENCE = 200  # draws of a change


def differences(
    scenes: int | Sequence[Scene] | Dataset,
    *,
    seed: int = 0,
    changes: str | Sequence[str] = CHANGES,
    wordings: str | Sequence[str] = WORDINGS,
    kinds: Sequence[str | Kind] | None = None,
    objects: Sequence[int] = (1, 2, 3, 4),
    withheld: bool | None = None,
    sprites: Any = None,
) -> Dataset:
    """Draw pairs of scenes that differ in one thing, each with a sentence that says what.

    The sentence is about the first scene less the second: ``"a dog instead of a cat"``, or, as
    in PC-CLIP (Sam et al., arXiv 2409.09721), ``"the first picture has a dog, while the second
    picture has a cat"``.

    Parameters
    ----------
    scenes
        Number of pairs; or the scenes to change, as ``Scene`` objects or as a data set of
        :func:`scenes`, of which those are left out in which nothing can be changed.
    seed
        Seeds all that is random.
    changes
        Kinds of change, in turn: a thing is ``"exchange"``d for another; its ``"presence"``,
        ``"size"``, ``"place"`` or ``"number"`` differs; or the ``"ground"`` does.
    wordings
        Kinds of sentence, in turn: ``"instead"`` and ``"clauses"``.
    kinds, objects
        See :func:`scenes`; unused where scenes are passed, but for the kinds that a thing is
        exchanged for.
    withheld
        Whether to take only changes that ``fpattr_widget.training.differences`` never shows:
        one in five of the pairs of things (or of grounds) that are exchanged, and one in five
        of the things whose presence, size, place or number changes; ``False`` for only those
        that it shows, in other pictures. ``None`` takes those that it never shows where pairs
        are drawn, and all where scenes are passed.
    sprites
        See :func:`scenes`.

    Returns
    -------
    Dataset
        Samples have a ``second`` picture and ``contents``. Phrases are the words that name what
        differs, with its boxes in either picture; they are labelled with the kind of change,
        which the sample's name begins with.

    Raises
    ------
    InputError
        When an argument is wrong, the sprites are missing, or there is no such change.
    """
    chosen_changes = _checked_choices("changes", changes, CHANGES)
    chosen_wordings = _checked_choices("wordings", wordings, WORDINGS)
    folder = sprite_folder(sprites)
    ratios = load_sprites(folder).aspect_ratios
    generator = np.random.default_rng([_STREAM, as_count(seed, "seed", least=0)])
    passed = None if isinstance(scenes, int | float | np.number) else _scenes_of(scenes)
    number = as_count(scenes, "scenes") if passed is None else len(passed)
    counts = checked_objects(objects)
    chosen_kinds = checked_kinds(kinds, max(counts) if passed is None else 1)
    only = withheld if withheld is not None or passed is not None else True

    def draw(index: int, change: Change) -> Iterator[Difference]:
        for _ in range(_PATIENCE):
            if passed is None:
                count = int(generator.choice(counts))
                scene = sample_scene(generator, ratios, kinds=chosen_kinds, count=count)
            else:
                scene = passed[index]
            found = change_scene(scene, change, generator, ratios, chosen_kinds)
            if found is not None and only in (None, found.withheld):
                yield found

    samples = []
    for index in range(number):
        turn, place = divmod(index, len(chosen_changes))
        change = chosen_changes[place]
        # In the next turn each change comes in the next words.
        wording = chosen_wordings[(turn + place) % len(chosen_wordings)]
        difference = next(draw(index, change), None)
        if difference is not None:
            samples.append(_sample(f"{change}-{index}", difference, wording, folder))
        elif passed is None:
            raise InputError(
                "changes",
                f"names {change!r}, of which {_PATIENCE} scenes allow none",
                "pass more `kinds`, other `objects` or another value as `withheld`",
            )
    return Dataset("differences", samples)


def _sample(name: str, difference: Difference, wording: Wording, folder: SpriteFolder) -> Sample:
    told = tell(difference, wording)
    first, second = (RenderedScene(scene, folder) for scene in difference.scenes)
    phrases = [
        Phrase(
            start,
            stop,
            difference.change,
            tuple(as_box(scene.objects[index].box) for index in shown.objects),
            picture,
        )
        for picture, (scene, shown, (start, stop)) in enumerate(
            zip(difference.scenes, difference.shown, told.names, strict=True)
        )
        if shown.objects
    ]
    return Sample(name, first, told.text, tuple(phrases), second, told.contents)


def _scenes_of(scenes: Any) -> list[Scene]:
    try:
        values = list(scenes)
    except TypeError:
        values = []
    found = []
    for value in values:
        scene = value.source if isinstance(value, Sample) else value
        scene = scene.scene if isinstance(scene, RenderedScene) else scene
        if not isinstance(scene, Scene):
            raise InputError(
                "scenes",
                f"holds {quoted(value)}, which is no drawn scene",
                "pass a number, Scene objects or a data set of `scenes`",
            )
        found.append(scene)
    if not found:
        raise InputError("scenes", f"is {quoted(scenes)}", "pass a number, or at least one scene")
    return found


def _checked_choices(argument: str, value: Any, known: Sequence[Name]) -> list[Name]:
    chosen: list[Any] = [value] if isinstance(value, str) else list(value)
    if not chosen:
        raise InputError(argument, "is empty", f"pass {', '.join(known)}")
    for name in chosen:
        check_choice(argument, name, known)
    return chosen
