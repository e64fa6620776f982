"""The pictures of a gallery as a model scores them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..encoders import DualEncoder, Embeddings
from ..errors import InputError, Problem
from ..evaluation import GalleryImage
from ._places import products_of
from ._ranked import items_of
from ._ranking_view import short_names
from ._scores import scores_of

# Pictures that are embedded together; one that cannot be read has these read one by one.
_TOGETHER = 64


@dataclass(frozen=True, eq=False)
class PictureGallery:
    """Pictures that are ranked.

    Attributes
    ----------
    pictures
        With names.
    embeddings
        Theirs, if they have been embedded before.
    """

    pictures: tuple[GalleryImage, ...]
    embeddings: Embeddings | None = None


def gallery_of(images: Any) -> PictureGallery:
    """Return what a user passes as pictures.

    Raises
    ------
    InputError
        When there is none, or one is there twice.
    """
    embeddings = None
    if isinstance(images, tuple) and all(isinstance(one, GalleryImage) for one in images):
        pictures = images
    elif isinstance(images, Mapping):
        pictures = tuple(GalleryImage(str(name), source) for name, source in images.items())
    else:
        items = items_of(images)
        if items.tower_name != "image":
            raise InputError("images", "holds captions", "pass pictures")
        names, embeddings = short_names(items.names), items.embeddings
        pictures = tuple(map(GalleryImage, names, items.sources))
    if not pictures:
        raise InputError("images", "holds no pictures", "pass a folder or a list with pictures")
    seen: set[Any] = set()
    for picture in pictures:
        key = source_key(picture.source)
        if picture.source is not None and key in seen:
            raise InputError("images", f"holds {picture.name!r} twice", "pass each picture once")
        seen.add(key)
    return PictureGallery(pictures, embeddings)


def source_key(source: Any) -> Any:
    """Return what sources of the same picture share: the path, the value, or the object."""
    if isinstance(source, str | os.PathLike):
        return "path", os.path.realpath(source)
    try:
        return "value", hash(source), source
    except TypeError:  # an array or a picture in memory
        return "object", id(source)


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

    Raises
    ------
    InputError
        When they were embedded by another model.
    """

    def __init__(self, encoder: DualEncoder, gallery: PictureGallery):
        self.encoder = encoder
        self.problems: dict[int, Problem] = {}
        self._pictures = gallery.pictures
        self._embeddings: Embeddings | None = None
        self._vectors: dict[int, np.ndarray] = {}
        if gallery.embeddings is not None and encoder.head is None:
            gallery.embeddings.require_of(encoder, "images")
            self._embeddings = gallery.embeddings
            return
        for start in range(0, len(self._pictures), _TOGETHER):
            self._read(range(start, min(start + _TOGETHER, len(self._pictures))))

    def scorer(
        self, numbers: Sequence[int], captions: Sequence[str]
    ) -> Callable[[Sequence[int]], np.ndarray]:
        """Return a function that returns scores of some pictures for captions by their numbers.

        All captions are embedded now.
        """
        if self.encoder.head is None:
            if self._embeddings is not None:
                vectors = self._embeddings.vectors  # none of them is left out
            else:
                vectors = np.stack([self._vectors[number] for number in numbers])
            texts = self.encoder.embed_text(captions)
            return lambda chosen: products_of(vectors, texts[list(chosen)])
        images = [self._pictures[number].image for number in numbers]
        scores = scores_of(self.encoder, images, captions)
        return lambda chosen: scores[:, list(chosen)]

    def _read(self, numbers: Sequence[int]) -> None:
        """Embed pictures, one by one where one of them cannot be read."""
        try:
            self._embed(numbers)
        except (InputError, OSError) as error:
            if len(numbers) > 1:
                for number in numbers:
                    self._read([number])
                return
            reason = error.problem if isinstance(error, InputError) else str(error)
            self.problems[numbers[0]] = Problem(self._pictures[numbers[0]].name, "", reason)

    def _embed(self, numbers: Sequence[int]) -> None:
        images = [self._pictures[number].image for number in numbers]
        if self.encoder.head is None:
            self._vectors.update(zip(numbers, self.encoder.embed_image(images), strict=True))
        else:  # which reads each by each caption, later
            for image in images:
                self.encoder.prepare(image, "image")
