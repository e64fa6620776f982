"""``ReadOut``: what a head read of an image for a text, and what each part adds to the cosine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class _Places:
    """Numbers of places that are read, by those who read them; see :class:`ReadOut`."""

    routes: tuple[str, ...]
    places: tuple[str, ...]
    grid: tuple[int, int] | None
    weights: np.ndarray
    nowhere: np.ndarray | None
    contributions: np.ndarray
    constant: float
    similarity: float

    @property
    def mean_weights(self) -> np.ndarray:
        """The mean of the weights over the routes, ``(places,)``."""
        mean: np.ndarray = self.weights.mean(0)
        return mean

    @property
    def contributions_of_places(self) -> np.ndarray:
        """Each place's part of the cosine, ``(places,)``."""
        sums: np.ndarray = self.contributions.sum(0)
        return sums


@dataclass(frozen=True, eq=False)
class ReadOutChange(_Places):
    """How a read-out differs from that of another caption: all numbers are differences.

    Its attributes are those of :class:`ReadOut`.
    """


@dataclass(frozen=True, eq=False)
class ReadOut(_Places):
    """What a head read of an image for a text, and what each part adds to the cosine.

    Attributes
    ----------
    routes
        Who reads: ``"head 1"``, …; where words read one by one, the words.
    places
        What is read, where that is no patch: ``"mixture 1"``, …; ``()`` where the places are
        patches.
    grid
        Rows and columns of patches where the places are patches, row by row; else ``None``.
    weights
        How much of each place is read, ``(routes, places)`` float64.
    nowhere
        Attention that went to no place, ``(routes,)`` float64, with which each row of the
        weights adds up to one; ``None`` where a head has no such place.
    contributions
        Parts of the cosine, ``(routes, places)`` float64.
    constant
        The part that no place has: what biases add, whatever is read.
    similarity
        The cosine, the sum of the contributions and the constant.
    compared
        Other scores of the same pair, by what they are:
        ``{"without the caption's choice": 0.21}``.
    products
        Where one place wins each route, the products of each route with all places,
        ``(routes, places)`` float64; else ``None``.
    winners
        Then the name of each route's winner, also where that is no place: ``"patch (1, 2)"``,
        counted from 1, or the token of a prompt that won; else ``()``.

    Raises
    ------
    InputError
        When the arrays do not fit the routes and places, or hold what is no number.
    """

    compared: Mapping[str, float] = field(default_factory=dict)
    products: np.ndarray | None = None
    winners: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.places) == (self.grid is not None):
            raise _unusable("needs either names of places or a grid", "one of the two")
        rows, columns = self.grid or (1, len(self.places))
        shape = len(self.routes), rows * columns
        expected: dict[str, tuple[int, ...]] = {"weights": shape, "contributions": shape}
        if self.nowhere is not None:
            expected["nowhere"] = shape[:1]
        if self.products is not None:
            expected["products"] = shape
        for name, wanted in expected.items():
            values = np.asarray(getattr(self, name), np.float64)
            object.__setattr__(self, name, values)
            if values.shape != wanted:
                raise _unusable(f"has {name} of shape {values.shape}", f"those of shape {wanted}")
            if not np.isfinite(values).all():
                raise _unusable(f"has {name} that are no numbers (NaN or infinite)", "others")
        if len(self.winners) not in (0, len(self.routes)):
            raise _unusable(f"has {len(self.winners)} winners", "one of each route, or none")
        numbers = self.constant, self.similarity, *self.compared.values()
        if not np.isfinite(numbers).all():
            raise _unusable("has scores that are no numbers (NaN or infinite)", "others")

    @property
    def effective_places(self) -> float:
        """``exp(entropy)`` of the mean weights' shares: 1 where one place is read, else more."""
        return float(_effective_number(self.mean_weights))

    @property
    def effective_places_of_routes(self) -> np.ndarray:
        """``exp(entropy)`` of the shares of each route's weights, ``(routes,)``."""
        return _effective_number(self.weights)

    def change_from(self, other: "ReadOut") -> ReadOutChange:
        """Return this read-out less another one, such as that of another caption on one image.

        Raises
        ------
        InputError
            When it has other routes or places, or another head made it.
        """
        for name in ("routes", "places", "grid"):
            if getattr(self, name) != getattr(other, name):
                what = "places" if name == "grid" else name
                raise InputError(
                    "other",
                    f"is a read-out with other {what}",
                    "pass one of the same model, as for another caption on the same image",
                )
        nowhere = None
        if self.nowhere is not None and other.nowhere is not None:
            nowhere = self.nowhere - other.nowhere
        return ReadOutChange(
            self.routes,
            self.places,
            self.grid,
            self.weights - other.weights,
            nowhere,
            self.contributions - other.contributions,
            self.constant - other.constant,
            self.similarity - other.similarity,
        )


def _effective_number(weights: np.ndarray) -> np.ndarray:
    """Return ``exp(entropy)`` of weights' shares of their sum, ``(..., n)`` to ``(...)``.

    1 where one has all, ``n`` where all have the same; 0 where there is nothing to share.
    """
    sums = weights.sum(-1, keepdims=True)
    shares = weights / np.where(sums > 0, sums, 1)
    logarithms = np.log(np.where(shares > 0, shares, 1))
    number: np.ndarray = np.exp(-(shares * logarithms).sum(-1)) * (sums[..., 0] > 0)
    return number


def _unusable(problem: str, remedy: str) -> InputError:
    return InputError("read_out", f"of the head {problem}", f"pass {remedy}")
