"""The grid pointing game: four pictures in one, and a caption that names some of them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ...checks import as_count, as_folder
from ...encoders import open_image, read_image
from ...errors import InputError
from ...scenes import KINDS, Scene, render_joined, sample_quarters
from .._dataset import Box, Dataset, Phrase, Sample
from ._reading import ProblemLog, UnusableError, as_text, finished
from ._sprites import SpriteFolder, load_sprites, sprite_folder

_STREAM = 2  # others are in use for scenes
_QUADRANTS: tuple[Box, ...] = (
    (0.0, 0.0, 0.5, 0.5),
    (0.5, 0.0, 1.0, 0.5),
    (0.0, 0.5, 0.5, 1.0),
    (0.5, 0.5, 1.0, 1.0),
)
_CONSONANT_SOUND = ("uni", "uk", "us", "ut", "eu", "ew", "one")  # "a unicycle"
_VOWEL_SOUND = ("unin", "unim", "ush")  # "an unimpressed dog"
_SILENT_H = ("hour", "heir", "honest", "honor", "honour")


@dataclass(frozen=True)
class JoinedScenes:
    """Draws four scenes in one picture when called; always the same picture."""

    quarters: tuple[Scene, ...]
    size: int
    sprites: SpriteFolder = None

    def __call__(self) -> Image.Image:
        return render_joined(self.quarters, load_sprites(self.sprites), self.size)


@dataclass(frozen=True)
class JoinedPictures:
    """Puts the centres of four pictures together when called, in reading order."""

    files: tuple[Path, ...]
    size: int

    def __call__(self) -> Image.Image:
        half = self.size // 2
        joined = Image.new("RGB", (self.size, self.size))
        for file, box in zip(self.files, _QUADRANTS, strict=True):
            # Crops centrally to a square and scales.
            square = ImageOps.fit(read_image(file), (half, half), Image.Resampling.LANCZOS)
            joined.paste(square, (round(box[0] * self.size), round(box[1] * self.size)))
        return joined


def grids(
    source: Any,
    number: int,
    *,
    objects: int = 2,
    seed: int = 0,
    size: int | None = None,
    sprites: Any = None,
) -> Dataset:
    """Put four pictures of different classes together, and name some of them.

    Each named word should point to its own quadrant, which the model can only
    know by looking.

    Parameters
    ----------
    source
        Path of a folder with a folder of pictures for each class, such as
        ``"imagenet/golden_retriever/1.jpg"``, or the string ``"scenes"`` for
        pictures that are drawn.
    number
        Number of grids.
    objects
        Number of pictures that each caption names, from 1 to 4.
    seed
        Seeds all that is random.
    size
        Length of the picture's sides in pixels, even; when ``None``, 448 for a folder
        and 128 for scenes.
    sprites
        For scenes, see :func:`~fpattr_widget.evaluation.datasets.scenes`.

    Returns
    -------
    Dataset
        Captions such as ``"a dog, an owl and a kite"``; each name is a phrase,
        its box is its quadrant and its label the class. Pictures are put
        together when a sample is measured.

    Raises
    ------
    InputError
        When an argument is wrong, or there are fewer than four classes.

    Notes
    -----
    Baniecki et al., "Explaining similarity in vision–language encoders with
    weighted Banzhaf interactions", 2025, arXiv 2508.05430; for classifiers
    first by Böhle et al., "Convolutional dynamic alignment networks for
    interpretable classifications", CVPR 2021.
    """
    wanted = as_count(number, "number")
    named = as_count(objects, "objects")
    if named > len(_QUADRANTS):
        raise InputError("objects", f"is {named}", f"pass a number from 1 to {len(_QUADRANTS)}")
    drawn = isinstance(source, str) and source == "scenes"
    side = as_count((128 if drawn else 448) if size is None else size, "size", least=2)
    if side % 2:
        raise InputError("size", f"is {side}", "pass an even number, for two pictures side by side")
    generator = np.random.default_rng([_STREAM, as_count(seed, "seed", least=0)])
    log = ProblemLog()
    draw = (
        _from_scenes(generator, side, sprite_folder(sprites))
        if drawn
        else _from_folder(generator, side, as_folder(source, "source"), log)
    )
    samples = []
    for index in range(wanted):
        labels, picture = draw()
        order = [int(place) for place in generator.permutation(len(_QUADRANTS))[:named]]
        caption, marked = _caption(labels, order)
        samples.append(Sample(f"grid-{index}", picture, caption, marked))
    shown = "scenes" if drawn else Path(source).name
    return finished(f"grids of {shown}, {side} pixels", samples, log, "source", str(source))


_Draw = Callable[[], tuple[list[str], Callable[[], Image.Image]]]


def _from_scenes(generator: np.random.Generator, size: int, folder: SpriteFolder) -> _Draw:
    ratios = load_sprites(folder).aspect_ratios

    def draw() -> tuple[list[str], Callable[[], Image.Image]]:
        quarters = tuple(sample_quarters(generator, ratios))
        labels = [quarter.objects[0].kind for quarter in quarters]
        return labels, JoinedScenes(quarters, size, folder)

    return draw


def _from_folder(generator: np.random.Generator, size: int, folder: Path, log: ProblemLog) -> _Draw:
    pictures = _pictures(folder, log)
    labels = list(pictures)
    if len(labels) < len(_QUADRANTS):
        first = f" ({log.problems[0]})" if log.problems else ""
        raise InputError(
            "source",
            f"has pictures of {len(labels)} classes{first}",
            "pass a folder with a folder of pictures for each of at least four",
        )

    def draw() -> tuple[list[str], Callable[[], Image.Image]]:
        chosen = [labels[i] for i in generator.choice(len(labels), len(_QUADRANTS), replace=False)]
        files = tuple(
            pictures[label][int(generator.integers(len(pictures[label])))] for label in chosen
        )
        return chosen, JoinedPictures(files, size)

    return draw


def _pictures(folder: Path, log: ProblemLog) -> dict[str, list[Path]]:
    """Return the pictures of each class whose header can be read."""
    pictures: dict[str, list[Path]] = {}
    for inner in _listed(folder, log):
        if not inner.is_dir():
            continue
        with log.catching(f"{folder.name}/{inner.name}", ""):
            label = as_text(" ".join(inner.name.replace("_", " ").split()), "the label")
            for file in _listed(inner, log):
                with log.catching(f"{inner.name}/{file.name}", ""):
                    _check(file)
                    pictures.setdefault(label, []).append(file)
    return pictures


def _listed(folder: Path, log: ProblemLog) -> list[Path]:
    """Return the absolute paths in a folder, sorted, without hidden ones."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        log.add(folder.name, "", f"cannot be opened ({error.strerror})")
        return []
    return [folder.absolute() / name for name in names]


def _check(file: Path) -> None:
    try:
        with open_image(file):
            pass
    except Exception as error:  # Pillow's readers fail in many ways
        raise UnusableError("is no image that can be opened") from error


def _caption(labels: Sequence[str], order: Sequence[int]) -> tuple[str, tuple[Phrase, ...]]:
    """Return a caption that names the classes of some quadrants, in that order, and its phrases."""
    caption, marked = "", []
    for position, place in enumerate(order):
        if position:
            caption += " and " if position == len(order) - 1 else ", "
        label = labels[place]
        caption += f"{_article(label)} ".lstrip()
        marked.append(Phrase(len(caption), len(caption) + len(label), label, (_QUADRANTS[place],)))
        caption += label
    return caption, tuple(marked)


def _article(label: str) -> str:
    if label in KINDS:
        return KINDS[label].article
    word = label.lower()
    if word.startswith(_SILENT_H) or word.startswith(_VOWEL_SOUND):
        return "an"
    return "an" if word[0] in "aeiou" and not word.startswith(_CONSONANT_SOUND) else "a"
