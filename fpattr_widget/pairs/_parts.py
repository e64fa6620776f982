"""The parts that can be asked of pairs whose score a head makes."""

import operator
from dataclasses import dataclass
from typing import Any, get_args

from ..checks import quoted
from ..errors import InputError
from ..methods import PartName, no_part


@dataclass(frozen=True)
class Parts:
    """Names of parts of pairs.

    Attributes
    ----------
    readings
        ``"match"`` and ``"routing"``, or nothing.
    places
        Names of what is read of an image; ``()`` where the places are patches.
    place_count
        Number of places; 0 where pairs do not go through places.
    """

    readings: tuple[PartName, ...] = ()
    places: tuple[str, ...] = ()
    place_count: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all parts that have one."""
        return (*self.readings, *self.places)

    def find(self, name: str) -> PartName | int:
        """Return the reading, or the number of the place, that a name is of.

        Raises
        ------
        InputError
            When there is no such part.
        """
        for reading in get_args(PartName):
            if name == reading and reading in self.readings:
                found: PartName = reading
                return found
        if name in get_args(PartName) or not self.names:
            raise no_part(name)
        return self.place(name)

    def place(self, place: Any) -> int:
        """Return the number of a place, given that or its name.

        Raises
        ------
        InputError
            When there is no such place.
        """
        if not self.place_count:
            raise InputError(
                "pairs",
                "go through no places that a model reads by the caption",
                "call it on what attribute() returned for such a model with "
                "reading='exact' or 'frozen'",
            )
        if isinstance(place, str) and place in self.places:
            return self.places.index(place)
        try:
            number = -1 if isinstance(place, bool) else operator.index(place)
        except TypeError:
            number = -1
        if not 0 <= number < self.place_count:
            example = f", or a name such as {quoted(self.places[0])}" if self.places else ""
            raise InputError(
                "place",
                f"is {quoted(place)}",
                f"pass a number from 0 to {self.place_count - 1}{example}",
            )
        return number

    def name_of(self, part: PartName | int) -> str:
        """Return what is said of a part beside the method's name."""
        if isinstance(part, str):
            return part
        place = self.places[part] if self.places else f"patch {part}"
        frozen = "frozen routing, " if self.readings else ""
        return f"{frozen}through {place}"


#: Of models that score by a product, and of pairs that are a part themselves.
NO_PARTS = Parts()
