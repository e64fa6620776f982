"""The pictures of a gallery as a model scores them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..encoders import DualEncoder, Embeddings
from ..errors import InputError, Problem
from ..evaluation import GalleryImage
from ..progress import checkpoint, report
from ._places import products_of
from ._ranked import items_of
from ._ranking_view import short_names
from ._scores import scores_of

_NO_BAR = 64  # pictures or fewer have no progress bar


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
        names, embeddings = _shown(items.names), items.embeddings
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


def _shown(names: Sequence[str]) -> list[str]:
    """Return names without the folder that all pictures are in, which is nobody's business."""
    return [os.path.basename(names[0])] if len(names) == 1 else short_names(names)


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
    store
        A file that keeps embeddings, and where they are looked for; see
        :meth:`DualEncoder.embed_image`. Not used by models that read an image by a caption.
    progress
        Whether to show a progress bar where there are many.

    Attributes
    ----------
    problems
        By the picture's number, why it cannot be used.

    Raises
    ------
    InputError
        When they were embedded by another model, or none can be read.
    """

    def __init__(
        self,
        encoder: DualEncoder,
        gallery: PictureGallery,
        *,
        store: Path | None = None,
        progress: bool = True,
    ):
        self.encoder = encoder
        self.problems: dict[int, Problem] = {}
        self._pictures = gallery.pictures
        self._embeddings: Embeddings | None = None
        if encoder.head is not None:
            self._check_all(progress)
        elif gallery.embeddings is not None:
            gallery.embeddings.require_of(encoder, "images")
            self._embeddings = gallery.embeddings
        else:
            images = _Images(self._pictures)
            if store is None:
                self._embeddings = encoder.embed_readable(images, "image", "images")
            else:
                self._embeddings = encoder.embed_image(images, store=store)
            self._note_problems(images.names, self._embeddings)

    def scorer(
        self, numbers: Sequence[int], captions: Sequence[str]
    ) -> Callable[[Sequence[int]], np.ndarray]:
        """Return a function that returns scores of some pictures for captions by their numbers.

        All captions are embedded now.

        Parameters
        ----------
        numbers
            Pictures without a problem, in ascending order.
        captions
            All captions.
        """
        if self._embeddings is not None:
            vectors = self._embeddings.vectors
            if len(numbers) < len(vectors):
                readable = [n for n in range(len(self._pictures)) if n not in self.problems]
                vectors = vectors[np.isin(readable, numbers)]
            texts = self.encoder.embed_text(captions)
            return lambda chosen: products_of(vectors, texts[list(chosen)])
        images = _Images([self._pictures[number] for number in numbers])
        scores = scores_of(self.encoder, images, captions)
        return lambda chosen: scores[:, list(chosen)]

    def _note_problems(self, names: Mapping[int, str], embeddings: Embeddings) -> None:
        """Find out which pictures were left out: names are in the order of the pictures."""
        found, told = iter([*embeddings.names, None]), iter(embeddings.problems)
        name = next(found)
        for number, picture in enumerate(self._pictures):
            if names[number] == name:
                name = next(found)
            else:
                self.problems[number] = replace(next(told), file=picture.name)

    def _check_all(self, progress: bool) -> None:
        """Read each picture once; what the head reads of it, it reads by each caption."""
        count = len(self._pictures)
        hidden = not progress or count <= _NO_BAR
        with tqdm(total=count, desc="reading", unit="picture", leave=False, disable=hidden) as bar:
            for number, picture in enumerate(self._pictures):
                checkpoint()
                report(f"reading: {number} of {count}")
                try:
                    self.encoder.prepare(picture.image, "image")
                except (InputError, OSError) as error:
                    reason = error.problem if isinstance(error, InputError) else str(error)
                    self.problems[number] = Problem(picture.name, "", reason)
                bar.update()
        if len(self.problems) == count:
            first = self.problems[0]
            raise InputError(
                "images",
                f"holds nothing that can be read (the first of {count}: {first})",
                "pass some that can",
            )


class _Images(Sequence[Any]):
    """Pictures that are opened or drawn when they are asked for.

    Attributes
    ----------
    names
        What embeddings call those that were asked for, by their numbers.
    """

    def __init__(self, pictures: Sequence[GalleryImage]):
        self._pictures = pictures
        self.names: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, number: Any) -> Any:
        picture = self._pictures[number]
        try:
            image = picture.image
        except (InputError, OSError):  # of a function that draws or opens it
            image = None  # which no model takes
        is_file = isinstance(image, str | os.PathLike)
        self.names[number] = str(os.fspath(image)) if is_file else f"image {number + 1}"
        return image
