"""Read-outs in a file of pairs: words and single numbers in the document, arrays beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..encoders import ReadOut
from ..errors import InputError
from ..files import DamagedError

#: The names of arrays that a read-out may have.
ARRAYS = ("weights", "contributions", "nowhere", "products")


@dataclass(frozen=True)
class ReadOutForm:
    """A read-out without its arrays.

    Attributes
    ----------
    routes, places, grid, constant, similarity, compared, winners
        Those of :class:`~fpattr_widget.encoders.ReadOut`.
    arrays
        The names of the arrays that it has.
    """

    routes: tuple[str, ...]
    places: tuple[str, ...]
    grid: tuple[int, int] | None
    constant: float
    similarity: float
    compared: Mapping[str, float]
    winners: tuple[str, ...]
    arrays: tuple[str, ...]

    @staticmethod
    def of(read_out: ReadOut) -> "ReadOutForm":
        """Return the form of a read-out."""
        return ReadOutForm(
            read_out.routes,
            read_out.places,
            read_out.grid,
            float(read_out.constant),
            float(read_out.similarity),
            {name: float(value) for name, value in read_out.compared.items()},
            read_out.winners,
            tuple(name for name in ARRAYS if getattr(read_out, name) is not None),
        )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its arrays, by their names."""
        rows, columns = self.grid or (1, len(self.places))
        shape = len(self.routes), rows * columns
        return {name: shape[:1] if name == "nowhere" else shape for name in self.arrays}


def array_name(number: int, name: str) -> str:
    """Return the name in a file of an array of a read-out."""
    return f"read_{number}_{name}"


def shapes_of(forms: Sequence[ReadOutForm]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays of read-outs, by their names in a file."""
    return {
        array_name(number, name): shape
        for number, form in enumerate(forms)
        for name, shape in form.shapes.items()
    }


def arrays_of(read_outs: Sequence[ReadOut]) -> dict[str, np.ndarray]:
    """Return all arrays of read-outs, by their names in a file."""
    return {
        array_name(number, name): getattr(read_out, name)
        for number, read_out in enumerate(read_outs)
        for name in ReadOutForm.of(read_out).arrays
    }


def read_read_outs(
    forms: Sequence[ReadOutForm], tensors: Mapping[str, np.ndarray]
) -> tuple[ReadOut, ...]:
    """Return the read-outs of a file.

    Raises
    ------
    DamagedError
        When their numbers cannot be.
    """
    try:
        return tuple(
            _read(form, {name: tensors[array_name(number, name)] for name in form.arrays})
            for number, form in enumerate(forms)
        )
    except InputError as fault:
        raise DamagedError("its read-outs are not in order") from fault


def _read(form: ReadOutForm, arrays: Mapping[str, np.ndarray]) -> ReadOut:
    return ReadOut(
        form.routes,
        form.places,
        form.grid,
        arrays["weights"],
        arrays.get("nowhere"),
        arrays["contributions"],
        form.constant,
        form.similarity,
        form.compared,
        arrays.get("products"),
        form.winners,
    )
