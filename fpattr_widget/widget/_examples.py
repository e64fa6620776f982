"""The examples that an explorer offers: photographs, or for the model of scenes its drawings."""

from typing import Any, NamedTuple

from ..assets import photograph, photograph_names
from ..encoders import DualEncoder, ImageLike
from ..errors import InputError
from ..scenes import example as drawn_example
from ..scenes import example_names as drawn_names

_DRAWN = "scenes"
_FIRST_PHOTOGRAPH = "dog-and-bicycle"
_FIRST_DRAWN = "dog-and-ball"


class Example(NamedTuple):
    """A picture and a caption, and what to look at with it, if anything."""

    image: ImageLike
    caption: str
    note: str


def offered(model: Any) -> list[str]:
    """Return the names of the examples that suit a model."""
    if _knows_drawings(model):
        return drawn_names()
    names = []
    for name in photograph_names():
        names += [name, *(f"{name}: {caption}" for caption in photograph(name).others)]
    return names


def all_names() -> list[str]:
    """Return the names of all examples."""
    return [*offered(None), *drawn_names()]


def first(model: Any) -> str:
    """Return the name of the example to begin with."""
    return _FIRST_DRAWN if _knows_drawings(model) else _FIRST_PHOTOGRAPH


def example(name: str) -> Example:
    """Return an example; raise ``InputError`` if there is none of this name."""
    if name in drawn_names():
        drawn = drawn_example(name)
        return Example(drawn.image, drawn.caption, "")
    if name not in all_names():
        raise InputError(
            "example", f"is {name!r}", f"pass one of {', '.join(all_names())}, or None"
        )
    title, _, caption = name.partition(": ")
    shown = photograph(title)
    return Example(shown.image, caption or shown.caption, shown.others.get(caption, ""))


def _knows_drawings(model: Any) -> bool:
    return (model.name if isinstance(model, DualEncoder) else model) == _DRAWN
