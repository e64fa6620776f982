"""The pictures of a gallery as a model scores them."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import as_folder
from ..encoders import DualEncoder
from ..errors import InputError, Problem
from ..evaluation import GalleryImage
from ._places import products_of
from ._scores import scores_of

# Pictures that are embedded together; one that cannot be read has these read one by one.
_TOGETHER = 64
_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}


def gallery_of(images: Any) -> tuple[GalleryImage, ...]:
    """Return what a user passes as pictures, with names.

    Raises
    ------
    InputError
        When there is none, or one is there twice.
    """
    if isinstance(images, str | os.PathLike):
        folder = as_folder(images, "images")
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
        gallery = [GalleryImage(path.relative_to(folder).as_posix(), path) for path in paths]
    elif isinstance(images, Mapping):
        gallery = [GalleryImage(str(name), source) for name, source in images.items()]
    else:
        listed = list(images)
        names = _names(listed)
        gallery = [
            one if isinstance(one, GalleryImage) else GalleryImage(name, one)
            for one, name in zip(listed, names, strict=True)
        ]
    if not gallery:
        raise InputError("images", "holds no pictures", "pass a folder or a list with pictures")
    seen: set[Any] = set()
    for picture in gallery:
        key = source_key(picture.source)
        if key in seen:
            raise InputError("images", f"holds {picture.name!r} twice", "pass each picture once")
        seen.add(key)
    return tuple(gallery)


def source_key(source: Any) -> Any:
    """Return what sources of the same picture share: the path, the value, or the object."""
    if isinstance(source, str | os.PathLike):
        return "path", os.path.abspath(os.fspath(source))
    try:
        return "value", hash(source), source
    except TypeError:  # an array or a picture in memory
        return "object", id(source)


def _names(listed: Sequence[Any]) -> list[str]:
    """Return the names of files, with as much of their path as tells them apart."""
    paths = [Path(one) if isinstance(one, str | os.PathLike) else None for one in listed]
    names = [path.name for path in paths if path is not None]
    unique = len(set(names)) == len(names)
    return [
        f"image {number}" if path is None else path.name if unique else str(path)
        for number, path in enumerate(paths)
    ]


class ScoredGallery:
    """What one model makes of the pictures that it can read.

    Parameters
    ----------
    encoder
        The model.
    gallery
        All pictures.

    Attributes
    ----------
    problems
        By the picture's number, why it cannot be used.
    """

    def __init__(self, encoder: DualEncoder, gallery: Sequence[GalleryImage]):
        self.encoder = encoder
        self.gallery = gallery
        self.problems: dict[int, Problem] = {}
        self._vectors: dict[int, np.ndarray] = {}
        for start in range(0, len(gallery), _TOGETHER):
            self._read(range(start, min(start + _TOGETHER, len(gallery))))

    def scorer(
        self, numbers: Sequence[int], captions: Sequence[str]
    ) -> Callable[[Sequence[int]], np.ndarray]:
        """Return a function that returns scores of some pictures for captions by their numbers.

        All captions are embedded now.
        """
        if self.encoder.head is None:
            pictures = np.stack([self._vectors[number] for number in numbers])
            texts = self.encoder.embed_text(captions)
            return lambda chosen: products_of(pictures, texts[list(chosen)])
        images = [self.gallery[number].image for number in numbers]
        scores = scores_of(self.encoder, images, captions)
        return lambda chosen: scores[:, list(chosen)]

    def _read(self, numbers: Iterable[int]) -> None:
        """Embed pictures, one by one where one of them cannot be read."""
        numbers = list(numbers)
        try:
            self._embed(numbers)
        except (InputError, OSError) as error:
            if len(numbers) > 1:
                for number in numbers:
                    self._read([number])
                return
            reason = f"{error.argument} {error.problem}" if isinstance(error, InputError) else error
            self.problems[numbers[0]] = Problem(self.gallery[numbers[0]].name, "", str(reason))

    def _embed(self, numbers: Sequence[int]) -> None:
        images = [self.gallery[number].image for number in numbers]
        if self.encoder.head is None:
            self._vectors.update(zip(numbers, self.encoder.embed_image(images), strict=True))
        else:
            for image in images:
                self.encoder.prepare(image, "image")
