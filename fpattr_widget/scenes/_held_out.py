"""Scenes that training never draws, each with another caption."""

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ._captions import Caption, describe
from ._kinds import TRAINED_KINDS, Kind
from ._layout import Scene, sample_scene

_STREAM = 1  # training scenes come from stream 0
_PATIENCE = 500  # draws without a new caption


def held_out(
    number: int,
    aspect_ratios: dict[str, float],
    *,
    seed: int = 0,
    kinds: Sequence[Kind] = TRAINED_KINDS,
    objects: Sequence[int] = (1, 2, 3, 4),
) -> list[tuple[Scene, Caption]]:
    """Draw scenes with captions that name every object; no two captions are the same.

    Parameters
    ----------
    number
        Number of scenes.
    aspect_ratios
        Width over height of each kind's sprite, by name.
    seed
        Seeds all that is random.
    kinds
        Kinds to choose from.
    objects
        Numbers of objects that a scene may hold.

    Returns
    -------
    list of (Scene, Caption)

    Raises
    ------
    InputError
        When there are not that many different captions.
    """
    generator = np.random.default_rng([_STREAM, seed])
    drawn: dict[str, tuple[Scene, Caption]] = {}
    idle = 0
    while len(drawn) < number:
        count = int(generator.choice(objects))
        scene = sample_scene(generator, aspect_ratios, kinds=kinds, count=count)
        caption = describe(scene, generator, complete=True)
        # A crowded draw may hold fewer objects than were asked for.
        if len(scene.objects) in objects and caption.text not in drawn:
            drawn[caption.text] = scene, caption
            idle = 0
        elif (idle := idle + 1) == _PATIENCE:
            raise InputError(
                "number",
                f"is {number}, but only {len(drawn)} different captions were found",
                "ask for fewer, or pass more `kinds`",
            )
    return list(drawn.values())
