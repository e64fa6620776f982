"""What a model is evaluated on: images, captions, and which words name what is where."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from ..errors import InputError

_ROUNDED = 1e-3  # edges may be off by as much

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
        The class that it is counted under.
    boxes
        Where the image shows what it names, as fractions of the image's sides.

    Raises
    ------
    InputError
        When a box is none.
    """

    start: int
    stop: int
    label: str
    boxes: tuple[Box, ...]

    def __post_init__(self) -> None:
        for box in self.boxes:
            left, top, right, bottom = box
            if not (
                -_ROUNDED < left < right < 1 + _ROUNDED and -_ROUNDED < top < bottom < 1 + _ROUNDED
            ):
                raise InputError(
                    f"`boxes` of {self.label!r} holds {box}: pass left, top, right and bottom as "
                    "fractions of the image's sides, from 0 to 1."
                )


@dataclass(frozen=True)
class Sample:
    """An image and a caption.

    Attributes
    ----------
    name
        What its data set knows it by; no other sample of it has the same.
    source
        The image in any form that :func:`fpattr_widget.attribute` takes, or a
        function without arguments that returns it.
    caption
        What is said of the image.
    phrases
        Which words name what; may be empty.

    Raises
    ------
    InputError
        When a phrase is not in the caption.
    """

    name: str
    source: Any = field(repr=False)
    caption: str
    phrases: tuple[Phrase, ...] = ()

    def __post_init__(self) -> None:
        for phrase in self.phrases:
            if not 0 <= phrase.start < phrase.stop <= len(self.caption):
                raise InputError(
                    f"`phrases` of {self.name!r} holds characters {phrase.start} to {phrase.stop} "
                    f"of a caption of {len(self.caption)}: pass a place inside it."
                )

    @property
    def image(self) -> Any:
        """The image; made anew at each call if it is made by a function."""
        return self.source() if callable(self.source) else self.source


@dataclass(frozen=True)
class Problem:
    """Something that could not be read.

    Attributes
    ----------
    file
        The file's name.
    place
        Where in it: ``"line 12"``, ``"annotations[3]"``; empty for all of it.
    message
        What is wrong, in a few words.
    """

    file: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}{', ' if self.place else ''}{self.place}: {self.message}"


class Dataset(Sequence[Sample]):
    """Samples to evaluate on; images are opened when it is their turn.

    Parameters
    ----------
    name
        What reports call it.
    samples
        Their names must differ.
    problems
        What could not be read and was left out.

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
        said = f"{self.name!r}, {len(self)} samples, {count} phrases, {len(self.labels)} labels"
        return f"Dataset({said}{f', {len(self.problems)} problems' if self.problems else ''})"

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
        return tuple(sorted({phrase.label for one in self.samples for phrase in one.phrases}))

    def shuffled(self, seed: int = 0) -> "Dataset":
        """Return the same samples in a random order; ``dataset.shuffled()[:100]`` draws some."""
        order = np.random.default_rng(seed).permutation(len(self))
        return Dataset(self.name, [self.samples[i] for i in order], self.problems)

    def fingerprint(self) -> str:
        """Return a hash of all captions, phrases and boxes, in order; images are not read."""
        said = [
            [one.name, one.caption, [[p.start, p.stop, p.label, p.boxes] for p in one.phrases]]
            for one in self.samples
        ]
        return hashlib.sha256(json.dumps([self.name, said]).encode()).hexdigest()
