"""An item of a ranking."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class RankedItem:
    """A picture or a caption in a ranking.

    Attributes
    ----------
    place
        Its place in the whole ranking, counted from 1, as the gallery shows it.
    name
        What it is called: a path, a caption, or ``"image 3"``.
    score
        By the query.
    """

    place: int
    name: str
    score: float
    _sources: Sequence[Any] = field(repr=False)
    _number: int = field(repr=False)

    @property
    def source(self) -> Any:
        """What it can be explained by; ``None`` where that is not known any more."""
        return self._sources[self._number]
