"""Prepared inputs of towers, and how they are shown: panels and features."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from PIL import Image
from torch import Tensor

from ._tokens import Token

#: A tower's keyword arguments by name; the first dimension of each is the batch.
Inputs = Mapping[str, Tensor]


def repeat_inputs(inputs: Inputs, count: int) -> Inputs:
    """Return a batch of ``count`` copies of one input, which share memory."""
    return {name: value.expand(count, *value.shape[1:]) for name, value in inputs.items()}


@dataclass(frozen=True)
class Prepared:
    """One input, prepared for its tower; each kind of tower has its own subclass.

    Attributes
    ----------
    tower_name
        Name of the tower.
    inputs
        The tower's inputs, a batch of one.
    origin
        Identifies the encoder that prepared it.
    """

    inputs: Inputs
    tower_name: ClassVar[str]
    origin: Hashable = field(default=None, kw_only=True, compare=False, repr=False)

    @property
    def settings(self) -> Hashable:
        """Everything beside ``inputs`` on which references and removals depend."""
        return ()


@dataclass(frozen=True)
class Feature:
    """One position to which a score is attributed.

    Attributes
    ----------
    label
        A token's text, ``"patch"``, or a role such as ``"CLS"``.
    special
        Whether the model adds it to what the user passed, as it adds CLS and EOS.
    place
        Where it lies in its panel: ``(start, stop)`` characters of a caption, ``(row, column)``
        of a grid; ``None`` if it has no place.
    part
        Number of its panel on its side.
    """

    label: str
    special: bool
    place: tuple[int, int] | None
    part: int = 0


class Panel(Protocol):
    """How one input is shown, with its features."""

    @property
    def kind(self) -> str:
        """The kind of panel, by which views and drawings choose how to show it."""
        ...

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features, in the order of the tower's positions."""
        ...


@dataclass(frozen=True)
class Sentence:
    """A caption with its tokens, one for each position of the text tower."""

    caption: str
    tokens: tuple[Token, ...]
    kind: ClassVar[str] = "sentence"

    @property
    def features(self) -> tuple[Feature, ...]:
        return tuple(
            Feature(
                token.text,
                token.special,
                None if token.start is None or token.stop is None else (token.start, token.stop),
            )
            for token in self.tokens
        )


@dataclass(frozen=True)
class Crop:
    """The part of an image that the image tower sees, with the grid of its patches.

    Attributes
    ----------
    picture
        The pixels that the patches cover.
    grid
        ``(rows, columns)`` of patches.
    special
        Names of the positions before the patches, such as ``"CLS"``.
    """

    picture: Image.Image
    grid: tuple[int, int]
    special: tuple[str, ...]
    kind: ClassVar[str] = "picture"

    @property
    def features(self) -> tuple[Feature, ...]:
        rows, columns = self.grid
        patches = [
            Feature("patch", False, (row, column))
            for row in range(rows)
            for column in range(columns)
        ]
        return (*(Feature(name, True, None) for name in self.special), *patches)
