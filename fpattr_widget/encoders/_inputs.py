"""What a tower takes, and what a reader sees of it."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from PIL import Image
from torch import Tensor

from ._tokens import Token

#: A tower's keyword arguments by name; the first dimension of each is the batch.
Inputs = Mapping[str, Tensor]


def repeat_inputs(inputs: Inputs, count: int) -> Inputs:
    """Return a batch of ``count`` copies of one input, which share their memory."""
    return {name: value.expand(count, *value.shape[1:]) for name, value in inputs.items()}


@dataclass(frozen=True)
class Prepared:
    """One input as its tower takes it; each kind of tower has its own subclass.

    Attributes
    ----------
    tower
        Name of the tower that takes it.
    inputs
        What the tower takes, a batch of one.
    """

    inputs: Inputs
    tower_name: ClassVar[str]

    @property
    def settings(self) -> Hashable:
        """What references and removals depend on beside ``inputs``."""
        return ()


@dataclass(frozen=True)
class Feature:
    """One position whose part in a score is attributed.

    Attributes
    ----------
    label
        How a reader calls it: a token's text, ``"patch"``, or a role such as ``"CLS"``.
    special
        Whether it is no part of what the user passed, as CLS and EOS.
    place
        Where it lies in its panel: ``(start, stop)`` characters of a caption, ``(row, column)``
        of a grid; ``None`` where it lies nowhere.
    """

    label: str
    special: bool
    place: tuple[int, int] | None


class Panel(Protocol):
    """What a reader sees of one input, with the features that lie on it."""

    @property
    def kind(self) -> str:
        """Which panel it is; views and drawings know how to show each kind."""
        ...

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features in the tower's order."""
        ...


@dataclass(frozen=True)
class Sentence:
    """A caption, with one token for each position of the text tower."""

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
    """The part of a picture that the image tower saw, with the grid of its patches.

    Attributes
    ----------
    picture
        Covered by the patches exactly.
    grid
        ``(rows, columns)`` of patches.
    special
        Names of the positions that stand before the patches, such as ``"CLS"``.
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


@dataclass(frozen=True)
class Side:
    """What stands on one side of a comparison: the rows or the columns of a matrix of pairs.

    Attributes
    ----------
    panels
        One for each input; the features are those of all of them, one after the other.
    """

    panels: tuple[Panel, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of all panels."""
        return tuple(feature for panel in self.panels for feature in panel.features)


def one_side(panel: Panel) -> Side:
    """Return a side of one input."""
    return Side((panel,))


def indices(features: Sequence[Feature], *, special: bool) -> list[int]:
    """Return the numbers of the features that are special, or of those that are not."""
    return [index for index, feature in enumerate(features) if feature.special == special]
