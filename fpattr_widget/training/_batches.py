"""Training batches: rendered scenes with true and false captions."""

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

TRAINING_STREAM = 0  # held-out scenes come from others
_SCENES, _WORDS = 0, 1
_MIRRORED_AFTER = 8  # rendered batches
_LOCATED = 0.7  # share of the pictures with a caption of where an object is
_JOINED, _JOINED_LATER = 0.1, 0.3  # share of the pictures that are four in one
_MISPLACED = 0.5  # share of the captions whose ground is exchanged, if they name it
_REFINED_FROM = 5 / 8  # of the steps


@dataclass(frozen=True)
class Batch:
    """Pictures and their captions.

    Attributes
    ----------
    pictures
        ``(batch, size, size, 3)`` uint8.
    captions, located, false
        For each picture a caption of its objects, one of where an object is,
        and one that is false in a single word.
    unrelated
        Which of ``captions`` and ``located`` name nothing that a picture shows,
        ``(batch, 2 · batch)`` bool; ``None`` before ``refined_from``.
    """

    pictures: torch.Tensor
    captions: list[str]
    located: list[str]
    false: list[str]
    unrelated: torch.Tensor | None


def _unrelated(scenes: Sequence[Scene], written: Sequence[Sequence[Caption]]) -> torch.Tensor:
    shown = [{GROUNDS[scene.ground], *(thing.kind for thing in scene.objects)} for scene in scenes]
    named = [
        {ground_named(scene, caption), *_kinds_named(scene, caption)} - {None}
        for captions in written
        for scene, caption in zip(scenes, captions, strict=True)
    ]
    return torch.tensor([[kinds.isdisjoint(names) for names in named] for kinds in shown])


def _kinds_named(scene: Scene, caption: Caption) -> set[str]:
    return {scene.objects[i].kind for mention in caption.mentions for i in mention.objects}


def write(
    scenes: Sequence[Scene],
    generator: np.random.Generator,
    grounds: bool = True,
    known: Sequence[Kind] = TRAINED_KINDS,
) -> tuple[list[Caption], list[Caption], list[str]]:
    """Write three captions of each scene: of its objects, of where an object is, and a false one.

    Parameters
    ----------
    scenes
        What to describe.
    generator
        Draws all that is random.
    grounds
        Whether some of the false captions are false in the ground.
    known
        Kinds that false captions may name.
    """
    captions, located, false = [], [], []
    for scene in scenes:
        captions.append(describe(scene, generator))
        if pair := locate(scene, generator) if generator.random() < _LOCATED else None:
            located.append(pair[0])
            false.append(pair[1])
        else:
            caption = describe(scene, generator)
            located.append(caption)
            false.append(contradict(scene, caption, generator, known))
        if grounds and generator.random() < _MISPLACED:
            false[-1] = misplace(scene, located[-1], generator) or false[-1]
    return captions, located, false


class Pictures:
    """Rendered scenes that depend only on the seed and their number, so that a run can be resumed.

    Every other step shows the mirrored pictures of an earlier one: rendering
    costs as much as learning, and mirroring teaches left and right. It skips
    the last 8 rendered steps, which mirroring would undo.

    Parameters
    ----------
    seed
        Seeds all that is drawn.
    size
        Number of scenes at each step.
    sprites
        Their folder, see :class:`~fpattr_widget.scenes.Sprites`.
    new_kinds
        Kinds to teach a trained model: half of the scenes are drawn from these
        and some known kinds. When empty, all are of the trained kinds.
    growing_until
        The step from which on pictures are as varied as they get; a new model sees
        one object at first, then two, then up to four. Zero for a trained model.
    """

    def __init__(
        self,
        seed: int,
        size: int,
        sprites: str | None = None,
        new_kinds: Sequence[Kind] = (),
        growing_until: int = 0,
    ):
        self.seed, self.size = seed, size
        self.new_kinds = tuple(new_kinds)
        self.growing_until = growing_until
        self.sprites_folder = sprites
        self.sprites: Sprites | None = None
        self.rendered: dict[int, tuple[list[Scene], np.ndarray]] = {}

    def at(self, step: int) -> tuple[list[Scene], np.ndarray]:
        """Return the scenes of a step, and their pictures ``(size, side, side, 3)`` uint8."""
        number, mirrored = divmod(step, 2)
        if mirrored:
            number = max(0, number - _MIRRORED_AFTER)
        if number not in self.rendered:
            self.rendered[number] = self._render(number)
            for old in [key for key in self.rendered if key < number - _MIRRORED_AFTER]:
                del self.rendered[old]
        scenes, pictures = self.rendered[number]
        if mirrored:
            scenes, pictures = [mirror(scene) for scene in scenes], pictures[:, :, ::-1].copy()
        return scenes, pictures

    def words(self, step: int) -> np.random.Generator:
        """Return the generator that draws the captions of a step."""
        return np.random.default_rng([TRAINING_STREAM, self.seed, _WORDS, step])

    def _render(self, number: int) -> tuple[list[Scene], np.ndarray]:
        if self.sprites is None:
            self.sprites = Sprites(self.sprites_folder)
        sprites = self.sprites
        generator = np.random.default_rng([TRAINING_STREAM, self.seed, _SCENES, number])
        progress = 2 * number / self.growing_until if self.growing_until else 1.0
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

    def _kinds(self, generator: np.random.Generator) -> Sequence[Kind]:
        if not self.new_kinds or generator.random() < 0.5:
            return TRAINED_KINDS
        beside = generator.choice(len(TRAINED_KINDS), max(4, len(self.new_kinds)), replace=False)
        return [*self.new_kinds, *(TRAINED_KINDS[i] for i in beside)]


class Batches(Dataset[Batch]):
    """Batches of :class:`Pictures`, each picture with three captions.

    Parameters
    ----------
    seed, size, sprites, new_kinds
        See :class:`Pictures`.
    steps
        Number of batches. Those from ``refined_from`` on also mark which
        captions and pictures have nothing in common; before it, a new
        model's pictures grow more varied.
    """

    def __init__(
        self,
        seed: int,
        steps: int,
        size: int,
        sprites: str | None = None,
        new_kinds: Sequence[Kind] = (),
    ):
        self.steps = steps
        self.refined_from = round(_REFINED_FROM * steps)
        growing_until = 0 if new_kinds else self.refined_from
        self.pictures = Pictures(seed, size, sprites, new_kinds, growing_until)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        scenes, pictures = self.pictures.at(step)
        refining = bool(self.pictures.new_kinds) or step >= self.refined_from
        known = (*TRAINED_KINDS, *self.pictures.new_kinds)
        captions, located, false = write(scenes, self.pictures.words(step), refining, known)
        return Batch(
            torch.from_numpy(pictures),
            [caption.text for caption in captions],
            [caption.text for caption in located],
            false,
            _unrelated(scenes, [captions, located]) if refining else None,
        )
