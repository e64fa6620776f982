"""What a metric is."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from .._explained import Explained


@dataclass(frozen=True)
class Measured:
    """One number, of each target or of the whole sample.

    Attributes
    ----------
    name
        What tables call it.
    values
        One for each target in their order, or the sample's only one.
    chance
        What would be reached without any knowledge, likewise; ``None`` where
        there is no such level.
    of_sample
        Whether it is the sample's only one, though the metric is of phrases;
        no value at all where the sample has no target.
    """

    name: str
    values: tuple[float, ...]
    chance: tuple[float, ...] | None = None
    of_sample: bool = False


class Metric(Protocol):
    """A way to judge an explanation; a frozen dataclass of settings.

    Attributes
    ----------
    of_phrases
        Whether it gives numbers for each target, or for the sample alone.
    less_is_better
        Names of those of its numbers that are good when they are small.
    shares
        Names of those that lie between zero and one by definition.
    reads_first_order
        Whether it reads ``Explained.first_order``.
    """

    of_phrases: ClassVar[bool]
    less_is_better: ClassVar[frozenset[str]]
    shares: ClassVar[frozenset[str]]
    reads_first_order: ClassVar[bool]

    def measure(self, explained: Explained) -> tuple[Measured, ...]:
        """Judge one explanation."""
        ...


class OfPhrases:
    """What metrics have in common that give a number for each target."""

    of_phrases: ClassVar[bool] = True
    less_is_better: ClassVar[frozenset[str]] = frozenset()
    shares: ClassVar[frozenset[str]] = frozenset()
    reads_first_order: ClassVar[bool] = False


class OfSamples(OfPhrases):
    """What metrics have in common that give one number for a sample."""

    of_phrases: ClassVar[bool] = False
