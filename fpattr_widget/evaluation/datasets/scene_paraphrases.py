"""Captions of drawn scenes in other words that mean the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...checks import as_count, quoted
from ...errors import InputError
from ...scenes import Kind, Rewording, Scene, held_out, reword
from .._paraphrases import Paraphrase, Paraphrases
from ._sprites import load_sprites, sprite_folder
from .scenes import RenderedScene, checked_kinds, checked_objects

_STREAM = 4  # others are in use
_MOST_DRAWN = 64  # scenes for each pair


def scene_paraphrases(
    number: int,
    *,
    seed: int = 0,
    wordings: int = 1,
    rewrites: Sequence[str] | None = None,
    kinds: Sequence[str | Kind] | None = None,
    objects: Sequence[int] = (1, 2, 3, 4),
    sprites: Any = None,
) -> Paraphrases:
    """Draw scenes that the model ``"scenes"`` has not seen, each captioned in other words too.

    The other wordings are made of the first by up to three rules that keep its meaning: the
    same things, as many and as large, at the same places and in the same relations, on the
    same ground.

    Parameters
    ----------
    number
        Number of scenes.
    seed
        Seeds all that is random.
    wordings
        Other wordings that are drawn of each caption; those that are drawn twice count once.
    rewrites
        Names of the rules that may be used, see :data:`fpattr_widget.scenes.REWRITES`;
        all when ``None``. Scenes whose captions none of them changes are left out.
    kinds, objects, sprites
        See :func:`scenes`.

    Returns
    -------
    Paraphrases
        Grouped by scene. The gallery are the scenes' pictures, of 128 × 128 pixels. Words
        that say the same are aligned. Every word is one that the model ``"scenes"`` knows.

    Raises
    ------
    InputError
        When an argument is wrong, the sprites are missing, or there are not that many
        different captions that the rewrites change.
    """
    count, seed = as_count(number, "number"), as_count(seed, "seed", least=0)
    several = as_count(wordings, "wordings")
    counts = checked_objects(objects)
    chosen = checked_kinds(kinds, max(counts))
    folder = sprite_folder(sprites)
    ratios = load_sprites(folder).aspect_ratios
    found: list[tuple[Scene, str, list[Rewording]]] = []
    drawn = count
    while len(found) < count:
        if drawn > _MOST_DRAWN * count:
            raise InputError(
                "rewrites",
                f"is {quoted(rewrites)}, which change hardly a caption of these scenes",
                "pass more of them, or other `objects`",
            )
        scenes = held_out(drawn, ratios, seed=seed, kinds=chosen, objects=counts)
        reworded = (
            (scene, caption.text, _rewordings(caption.text, [seed, index], several, rewrites))
            for index, (scene, caption) in enumerate(scenes)
        )
        found = [entry for entry in reworded if entry[-1]]
        drawn *= 4
    gallery: dict[str, RenderedScene] = {}
    pairs = []
    for index, (scene, text, rewordings) in enumerate(found[:count]):
        name = f"scene-{index}"
        gallery[name] = RenderedScene(scene, folder)
        pairs += [
            Paraphrase(text, one.text, name, gallery[name], one.aligned) for one in rewordings
        ]
    return Paraphrases("scene_paraphrases", pairs, gallery)


def _rewordings(
    caption: str, seed: Sequence[int], number: int, rewrites: Sequence[str] | None
) -> list[Rewording]:
    """Return up to so many wordings that differ from the caption and from each other."""
    generator = np.random.default_rng([_STREAM, *seed])
    found = (reword(caption, generator, rewrites) for _ in range(number))
    return list({one.text: one for one in found if one}.values())
