"""What is learned from: rendered scenes, in true words and false ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from ..scenes import (
    GROUNDS,
    TRAINED_KINDS,
    Caption,
    Kind,
    Scene,
    Sprites,
    contradict,
    describe,
    ground_named,
    join,
    locate,
    mirror,
    misplace,
    render,
    render_joined,
    sample_quarters,
    sample_scene,
)
from ._model import IMAGE_SIZE

_TRAINING_STREAM = 0  # held-out scenes come from others
_SCENES, _WORDS = 0, 1
_MIRRORED_AFTER = 8  # rendered batches
_LOCATED = 0.7  # share of the pictures of which it is said where something is
_JOINED, _JOINED_LATER = 0.1, 0.3  # share of the pictures that are four in one
_MISPLACED = 0.5  # share of the captions whose ground is exchanged, if they tell of it
_REFINED_FROM = 5 / 8  # of the steps


@dataclass(frozen=True)
class Batch:
    """Pictures and what is said of them.

    Attributes
    ----------
    pictures
        ``(batch, size, size, 3)`` uint8.
    captions, located, false
        For each picture a caption of what is there, one of where something is,
        and one that is false in a single word.
    strangers
        Which captions name nothing that a picture shows, ``(batch, 2 · batch)``
        bool for ``captions`` and ``located``; ``None`` where it is not asked.
    """

    pictures: torch.Tensor
    captions: list[str]
    located: list[str]
    false: list[str]
    strangers: torch.Tensor | None


def _strangers(scenes: Sequence[Scene], written: Sequence[Sequence[Caption]]) -> torch.Tensor:
    shown = [{GROUNDS[scene.ground], *(thing.kind for thing in scene.objects)} for scene in scenes]
    named = [
        {ground_named(scene, caption), *_kinds_named(scene, caption)} - {None}
        for captions in written
        for scene, caption in zip(scenes, captions, strict=True)
    ]
    return torch.tensor([[there.isdisjoint(said) for said in named] for there in shown])


def _kinds_named(scene: Scene, caption: Caption) -> set[str]:
    return {scene.objects[i].kind for mention in caption.mentions for i in mention.objects}


class Batches(Dataset[Batch]):
    """Batch ``step`` depends on the seed and the step alone, so a run can resume.

    Every other batch shows the mirrored pictures of an earlier one, in words of
    its own: rendering costs as much as learning, and left and right have to be
    told apart by more than habit. After the first few, not of the one just
    before it, whose lesson they would undo.

    Parameters
    ----------
    seed
        Of all that is drawn.
    steps
        Number of batches. The last of them, from ``refined_from`` on, tell
        which captions and pictures have nothing in common.
    size
        Number of scenes in each.
    sprites
        Their folder, see :class:`~fpattr_widget.scenes.Sprites`.
    new_kinds
        Kinds to be learned by a model that knows the others: half of the scenes
        are drawn from them and as many known ones. From nothing, with all
        trained kinds and one object at first, when there are none.
    """

    def __init__(
        self,
        seed: int,
        steps: int,
        size: int,
        sprites: str | None = None,
        new_kinds: Sequence[Kind] = (),
    ):
        self.seed, self.steps, self.size = seed, steps, size
        self.refined_from = round(_REFINED_FROM * steps)
        self.new_kinds = tuple(new_kinds)
        self.sprites_folder = sprites
        self.sprites: Sprites | None = None
        self.rendered: dict[int, tuple[list[Scene], np.ndarray]] = {}

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        number, mirrored = divmod(step, 2)
        if mirrored:
            number = max(0, number - _MIRRORED_AFTER)
        if number not in self.rendered:
            self.rendered[number] = self._render(number)
            for old in [one for one in self.rendered if one < number - _MIRRORED_AFTER]:
                del self.rendered[old]
        scenes, pictures = self.rendered[number]
        if mirrored:
            scenes, pictures = [mirror(scene) for scene in scenes], pictures[:, :, ::-1].copy()
        generator = np.random.default_rng([_TRAINING_STREAM, self.seed, _WORDS, step])
        refining = bool(self.new_kinds) or step >= self.refined_from
        captions, located, false = [], [], []
        for scene in scenes:
            captions.append(describe(scene, generator))
            if pair := locate(scene, generator) if generator.random() < _LOCATED else None:
                located.append(pair[0])
                false.append(pair[1])
            else:
                caption = describe(scene, generator)
                located.append(caption)
                false.append(contradict(scene, caption, generator, self._known))
            if refining and generator.random() < _MISPLACED:
                false[-1] = misplace(scene, located[-1], generator) or false[-1]
        return Batch(
            torch.from_numpy(pictures),
            [caption.text for caption in captions],
            [caption.text for caption in located],
            false,
            _strangers(scenes, [captions, located]) if refining else None,
        )

    def _render(self, number: int) -> tuple[list[Scene], np.ndarray]:
        if self.sprites is None:
            self.sprites = Sprites(self.sprites_folder)
        sprites = self.sprites
        generator = np.random.default_rng([_TRAINING_STREAM, self.seed, _SCENES, number])
        # From nothing: one object at first, then two, then up to four.
        progress = 1.0 if self.new_kinds else 2 * number / self.refined_from
        joined_share = _JOINED if progress < 1 else _JOINED_LATER
        counts = np.arange(1, 2 if progress < 0.08 else 3 if progress < 0.3 else 5)
        scenes, pictures = [], []
        for _ in range(self.size):
            kinds = self._kinds(generator)
            if len(counts) > 2 and generator.random() < joined_share:
                quarters = sample_quarters(generator, sprites.aspect_ratios, kinds=kinds)
                scenes.append(join(quarters))
                picture = render_joined(quarters, sprites, IMAGE_SIZE)
            else:
                count = int(generator.choice(counts))
                scenes.append(
                    sample_scene(generator, sprites.aspect_ratios, kinds=kinds, count=count)
                )
                picture = render(scenes[-1], sprites, IMAGE_SIZE)
            pictures.append(np.asarray(picture))
        return scenes, np.stack(pictures)

    @property
    def _known(self) -> tuple[Kind, ...]:
        return (*TRAINED_KINDS, *self.new_kinds)

    def _kinds(self, generator: np.random.Generator) -> Sequence[Kind]:
        if not self.new_kinds or generator.random() < 0.5:
            return TRAINED_KINDS
        beside = generator.choice(len(TRAINED_KINDS), max(4, len(self.new_kinds)), replace=False)
        return [*self.new_kinds, *(TRAINED_KINDS[i] for i in beside)]
