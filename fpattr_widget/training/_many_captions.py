"""Batches whose pictures have several captions each, true ones of different things."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from ..scenes import GROUNDS, KINDS, Scene, single_out
from ._batches import Pictures, write

_KIND_OF_WORD = {word: kind.name for kind in KINDS.values() for word in (kind.name, kind.plural)}
# Words that say no more of a thing than that it is there.
_PLAIN = {"a", "an", "and", "with", "there", "is", "this", "i", "see", "picture", "photo", "of"}
_PLAIN |= set(KINDS)


@dataclass(frozen=True)
class ManyCaptions:
    """Pictures, and which of all captions are true of which.

    Attributes
    ----------
    pictures
        ``(batch, size, size, 3)`` uint8.
    captions
        First one for each picture of where an object is, then one for each that is that caption
        with a word exchanged, and false; then all others.
    truth
        ``(batch, captions)`` int8: 1 where a caption is true, -1 where it is false, 0 unknown.
    """

    pictures: torch.Tensor
    captions: list[str]
    truth: torch.Tensor


class ManyCaptionBatches(Dataset[ManyCaptions]):
    """Batches of pictures with a caption of each thing, of several, of a place, and a false one.

    Parameters
    ----------
    seed, size, sprites
        See :class:`._batches.Pictures`.
    steps
        Number of batches.
    """

    def __init__(self, seed: int, steps: int, size: int, sprites: str | None = None):
        self.steps = steps
        self.pictures = Pictures(seed, size, sprites)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> ManyCaptions:
        scenes, pictures = self.pictures.at(step)
        generator = self.pictures.words(step)
        described, located, false = write(scenes, generator)
        single = [single_out(scene, generator) for scene in scenes]
        own = np.arange(len(scenes))
        owners = np.concatenate([own, own, own, np.repeat(own, [len(each) for each in single])])
        captions = [
            *(caption.text for caption in located),
            *false,
            *(caption.text for caption in described),
            *(caption.text for captions in single for caption in captions),
        ]
        truth = known_truth(scenes, captions)
        truth[owners, np.arange(len(captions))] = 1
        truth[own, len(scenes) + own] = -1
        return ManyCaptions(torch.from_numpy(pictures), captions, torch.from_numpy(truth))


def known_truth(scenes: Sequence[Scene], captions: Sequence[str]) -> np.ndarray:
    """Return what follows from the things that captions name, ``(scenes, captions)`` int8.

    A caption that names what is not shown is false, -1; one that says no more than that things
    are there is true where they are, 1; of all others nothing is known, 0.
    """
    shown = [{thing.kind for thing in scene.objects} for scene in scenes]
    truth = np.zeros((len(scenes), len(captions)), np.int8)
    for column, caption in enumerate(captions):
        words = caption.replace(",", " ").split()
        named = {_KIND_OF_WORD[word] for word in words if word in _KIND_OF_WORD}
        ground = next((name for name, said in GROUNDS.items() if said and said in caption), None)
        plain = _PLAIN.issuperset(words)
        for row, (scene, kinds) in enumerate(zip(scenes, shown, strict=True)):
            if not named <= kinds or ground not in (None, scene.ground):
                truth[row, column] = -1
            elif plain:
                truth[row, column] = 1
    return truth
