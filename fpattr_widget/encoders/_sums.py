"""Weighted sums of inputs, as users write them: ``Text("a dog") - Text("a cat")``."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any

from ..checks import quoted
from ..errors import InputError
from ._image import ImageLike
from ._text import CaptionLike

#: The most inputs of one sum.
MOST_PARTS = 128


@dataclass(frozen=True, eq=False)
class Term:
    """One input of a sum.

    Attributes
    ----------
    tower_name
        Name of the tower that embeds it.
    value
        What the user passed.
    weight
        What its unit-length embedding is multiplied by.
    """

    tower_name: str
    value: Any
    weight: float = 1.0


class Sum:
    """A weighted sum of inputs, each standing for its unit-length embedding.

    ``Text("a dog") - Text("a cat")``, ``0.5 * (Picture("a.jpg") + Picture("b.jpg"))``. With
    ``w_k`` the weights, it stands for ``Σ w_k ĝ(a_k)``. Texts and pictures may be mixed.

    Parameters
    ----------
    terms
        The inputs with their weights; those of an input that is there twice are not joined.

    Raises
    ------
    InputError
        When there is no input, or there are more than 128.
    """

    def __init__(self, terms: Sequence[Term]):
        if not terms:
            raise InputError("inputs", "is an empty sum", "pass at least one Text or Picture")
        if len(terms) > MOST_PARTS:
            raise InputError(
                "inputs",
                f"is a sum of {len(terms)} inputs",
                f"pass at most {MOST_PARTS}",
            )
        self.terms = tuple(terms)

    def __add__(self, other: object) -> "Sum":
        if not isinstance(other, Sum):
            return NotImplemented
        return Sum((*self.terms, *other.terms))

    def __sub__(self, other: object) -> "Sum":
        if not isinstance(other, Sum):
            return NotImplemented
        return self + -other

    def __neg__(self) -> "Sum":
        return self * -1

    def __mul__(self, factor: object) -> "Sum":
        if isinstance(factor, Sum):
            return NotImplemented
        number = _as_weight(factor)
        return Sum([Term(term.tower_name, term.value, number * term.weight) for term in self.terms])

    __rmul__ = __mul__

    def __truediv__(self, divisor: object) -> "Sum":
        if isinstance(divisor, Sum):
            return NotImplemented
        number = _as_weight(divisor)
        return self * (1 / number if number else float("inf"))

    def __repr__(self) -> str:
        return " ".join(map(_written, self.terms)).removeprefix("+ ")


class Text(Sum):
    """A caption, on either side of an explanation.

    Parameters
    ----------
    caption
        A string, or token ids ``(1, S)``.
    """

    def __init__(self, caption: CaptionLike):
        if isinstance(caption, Sum):
            raise InputError("caption", "is a sum already", "pass it as it is")
        super().__init__([Term("text", caption)])


class Picture(Sum):
    """An image, on either side of an explanation.

    Parameters
    ----------
    image
        A path, bytes, a PIL image, an array (H, W, 3) uint8, a tensor (1, 3, h, w) already
        preprocessed, or what a processor returned.
    """

    def __init__(self, image: ImageLike):
        if isinstance(image, Sum):
            raise InputError("image", "is a sum already", "pass it as it is")
        super().__init__([Term("image", image)])


def mean(inputs: Sequence[Sum]) -> Sum:
    """Return the mean of inputs, such as those of one label in several prompts.

    Parameters
    ----------
    inputs
        ``Text`` and ``Picture``, or sums of them.

    Raises
    ------
    InputError
        When there is none, or one of them is something else.
    """
    listed = list(inputs)
    for value in listed:
        if not isinstance(value, Sum):
            raise InputError("inputs", f"holds {quoted(value)}", "pass Text or Picture objects")
    if not listed:
        raise InputError("inputs", "is an empty list", "pass at least one Text or Picture")
    return Sum([term for value in listed for term in value.terms]) / len(listed)


def as_sum(value: Any, kind: type[Text | Picture]) -> Sum:
    """Return what a user passed as a sum; a bare value is of ``kind``."""
    return value if isinstance(value, Sum) else kind(value)


def ordered(first: Sum, second: Sum) -> tuple[Sum, Sum]:
    """Return two sides as rows and columns.

    Captions are rows and pictures columns where the two kinds differ; otherwise the first is
    the rows.
    """
    kinds = [{term.tower_name for term in side.terms} for side in (first, second)]
    return (second, first) if kinds == [{"image"}, {"text"}] else (first, second)


def _as_weight(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError("weight", f"is {quoted(value)}", "multiply by a number")
    number = float(value)
    if not isfinite(number):
        raise InputError("weight", f"is {number}", "multiply by a finite number")
    return number


def _written(term: Term) -> str:
    name = "Text" if term.tower_name == "text" else "Picture"
    size = abs(term.weight)
    factor = "" if size == 1 else f"{size:.4g} * "
    return f"{'-' if term.weight < 0 else '+'} {factor}{name}({quoted(term.value)})"
