"""Data sets: images with captions, and which words name what is where."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from ..errors import InputError, Problem
from ._foil import Foil

_SLACK = 1e-3  # by which edges may lie outside the image

#: ``(left, top, right, bottom)`` as fractions of the image's sides.
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Phrase:
    """Words of a caption that name something in the image.

    Attributes
    ----------
    start, stop
        Its characters are ``caption[start:stop]``.
    label
        Its class in reports.
    boxes
        Where the image shows what it names, ``(left, top, right, bottom)`` as
        fractions of the image's sides.
    picture
        Which image that is: 0 the first, 1 the second of a sample of two.

    Raises
    ------
    InputError
        When a box has no area or lies outside the image, or there is no such image.
    """

    start: int
    stop: int
    label: str
    boxes: tuple[Box, ...]
    picture: int = 0

    def __post_init__(self) -> None:
        if self.picture not in (0, 1):
            raise InputError("picture", f"of {self.label!r} is {self.picture!r}", "pass 0 or 1")
        for box in self.boxes:
            left, top, right, bottom = box
            if not (-_SLACK < left < right < 1 + _SLACK and -_SLACK < top < bottom < 1 + _SLACK):
                raise InputError(
                    "boxes",
                    f"of {self.label!r} holds {box}",
                    "pass left, top, right and bottom as fractions of the image's sides, from 0 "
                    "to 1",
                )


@dataclass(frozen=True)
class Sample:
    """An image and a caption, or two images and a caption that says what differs.

    Attributes
    ----------
    name
        Its name, unique in the data set.
    source
        The image in any form that :func:`fpattr_widget.attribute` takes, or a
        function without arguments that returns it.
    caption
        The caption.
    phrases
        Words that name what the image shows; may be empty.
    second
        A second image, likewise. The caption then says what differs, the first image less the
        second: ``"a dog instead of a cat"``, and setups explain the difference of both.
    contents
        Where the caption says what the first image shows and what the second, as two pairs of
        start and stop: ``"a dog"`` and ``"a cat"``. With the two exchanged it says what differs
        the other way round. Empty where that cannot be done.
    foils
        Captions and pictures that are wrong in a known way; may be empty.

    Raises
    ------
    InputError
        When a phrase, a content or what was changed for a foil is not in the caption, the
        contents are not two that follow each other, or something belongs to a second image
        that is not there.
    """

    name: str
    source: Any = field(repr=False)
    caption: str
    phrases: tuple[Phrase, ...] = ()
    second: Any = field(default=None, repr=False)
    contents: tuple[()] | tuple[tuple[int, int], tuple[int, int]] = ()
    foils: tuple[Foil, ...] = ()

    def __post_init__(self) -> None:
        for foil in self.foils:
            foil.check(self.caption)
        places = [(phrase.start, phrase.stop) for phrase in self.phrases]
        for argument, spans in (("phrases", places), ("contents", self.contents)):
            for start, stop in spans:
                if not 0 <= start < stop <= len(self.caption):
                    raise InputError(
                        argument,
                        f"of {self.name!r} holds characters {start} to {stop} of a "
                        f"caption of {len(self.caption)}",
                        "pass a place inside it",
                    )
        if self.contents and (len(self.contents) != 2 or self.contents[0][1] > self.contents[1][0]):
            raise InputError(
                "contents", f"of {self.name!r} is {self.contents}", "pass two places in their order"
            )
        if self.second is None and (self.contents or any(p.picture for p in self.phrases)):
            raise InputError(
                "second", f"of {self.name!r} is missing", "pass the second image as `second`"
            )

    @property
    def image(self) -> Any:
        """The image; a function as ``source`` is called each time."""
        return self.source() if callable(self.source) else self.source

    @property
    def second_image(self) -> Any:
        """The second image, likewise; ``None`` where there is none."""
        return self.second() if callable(self.second) else self.second


class Dataset(Sequence[Sample]):
    """Samples to evaluate on; each image is opened when its sample is measured.

    Parameters
    ----------
    name
        The name in reports.
    samples
        With different names.
    problems
        Parts of files that could not be read and were left out.

    Raises
    ------
    ValueError
        When two samples have the same name.
    """

    def __init__(self, name: str, samples: Iterable[Sample], problems: Iterable[Problem] = ()):
        self.name = name
        self.samples = tuple(samples)
        self.problems = tuple(problems)
        if len({sample.name for sample in self.samples}) < len(self.samples):
            raise ValueError(f"two samples of {name!r} have the same name")

    def __repr__(self) -> str:
        count = sum(len(sample.phrases) for sample in self.samples)
        foils = sum(len(sample.foils) for sample in self.samples)
        contents = f"{self.name!r}, {len(self)} samples, {count} phrases, {len(self.labels)} labels"
        contents += f", {foils} foils" if foils else ""
        return f"Dataset({contents}{f', {len(self.problems)} problems' if self.problems else ''})"

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "Dataset": ...
    def __getitem__(self, index: int | slice) -> "Sample | Dataset":
        if isinstance(index, slice):
            return Dataset(self.name, self.samples[index], self.problems)
        return self.samples[index]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of all phrases, sorted."""
        return tuple(sorted({phrase.label for sample in self.samples for phrase in sample.phrases}))

    def shuffled(self, seed: int = 0) -> "Dataset":
        """Return the samples in a random order; ``dataset.shuffled()[:100]`` draws a hundred."""
        order = np.random.default_rng(seed).permutation(len(self))
        return Dataset(self.name, [self.samples[i] for i in order], self.problems)

    def fingerprint(self) -> str:
        """Return a hash of captions, phrases, boxes and foils, in order; images are not read."""
        contents = [
            [
                s.name,
                s.caption,
                [_of_phrase(p) for p in s.phrases],
                *_of_difference(s),
                *([f.caption, f.kind, f.changes(s.caption)] for f in s.foils),
            ]
            for s in self.samples
        ]
        return hashlib.sha256(json.dumps([self.name, contents]).encode()).hexdigest()


# Both are empty where there is one image, so that earlier fingerprints hold.


def _of_phrase(phrase: Phrase) -> list[Any]:
    second = [phrase.picture] if phrase.picture else []
    return [phrase.start, phrase.stop, phrase.label, phrase.boxes, *second]


def _of_difference(sample: Sample) -> list[Any]:
    return [] if sample.second is None else [["second", sample.contents]]
