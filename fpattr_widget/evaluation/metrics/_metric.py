"""The protocol that metrics follow."""

from typing import ClassVar, Protocol

from .._explained import ExplainedSample
from .._score import Score


class Metric(Protocol):
    """A way to judge an explanation; a frozen dataclass of settings, which can be pickled.

    Attributes
    ----------
    less_is_better
        Names of those of its numbers that are good when they are small.
    shares
        Names of those that lie between zero and one by definition.
    compares
        Whether it reads ``ExplainedSample.beside``, the same sample as the
        encoder's other setups explain it.
    """

    less_is_better: ClassVar[frozenset[str]]
    shares: ClassVar[frozenset[str]]
    compares: ClassVar[bool]

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        """Return the scores of one explanation, of its phrases or of the whole sample."""
        ...


class MetricTraits:
    """Base of metrics: the usual values of what a metric says about itself."""

    less_is_better: ClassVar[frozenset[str]] = frozenset()
    shares: ClassVar[frozenset[str]] = frozenset()
    compares: ClassVar[bool] = False
