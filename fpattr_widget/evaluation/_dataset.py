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

    Raises
    ------
    InputError
        When a box has no area or lies outside the image.
    """

    start: int
    stop: int
    label: str
    boxes: tuple[Box, ...]

    def __post_init__(self) -> None:
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
    """An image and a caption.

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
    foils
        Captions and pictures that are wrong in a known way; may be empty.

    Raises
    ------
    InputError
        When a phrase, or what was changed for a foil, is not in the caption.
    """

    name: str
    source: Any = field(repr=False)
    caption: str
    phrases: tuple[Phrase, ...] = ()
    foils: tuple[Foil, ...] = ()

    def __post_init__(self) -> None:
        for foil in self.foils:
            foil.check(self.caption)
        for phrase in self.phrases:
            if not 0 <= phrase.start < phrase.stop <= len(self.caption):
                raise InputError(
                    "phrases",
                    f"of {self.name!r} holds characters {phrase.start} to {phrase.stop} of a "
                    f"caption of {len(self.caption)}",
                    "pass a place inside it",
                )

    @property
    def image(self) -> Any:
        """The image; a function as ``source`` is called each time."""
        return self.source() if callable(self.source) else self.source


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
                [[p.start, p.stop, p.label, p.boxes] for p in s.phrases],
                *([f.caption, f.kind, f.changes(s.caption)] for f in s.foils),
            ]
            for s in self.samples
        ]
        return hashlib.sha256(json.dumps([self.name, contents]).encode()).hexdigest()
