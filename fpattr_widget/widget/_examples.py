"""The examples that an explorer offers: photographs, or drawings for a model that knows them."""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from ..assets import Photograph, photograph, photograph_names
from ..encoders import DualEncoder
from ..errors import InputError
from ..scenes import Example as DrawnExample
from ..scenes import example as drawn_example
from ..scenes import example_names as drawn_names

_DRAWN = ("scenes", "llip")
_FIRST_PHOTOGRAPH = "dog-and-bicycle"
_FIRST_DRAWN = "dog-and-ball"
# Between the title of a photograph and an instructive caption.
_SEPARATOR = ": "


@dataclass(frozen=True)
class Example:
    """A picture and a caption, and what to look at with it, if anything."""

    shown: Photograph | DrawnExample
    caption: str
    note: str

    @property
    def image(self) -> Image.Image:
        """The picture, which is decoded when it is needed."""
        return self.shown.image


def offered(model: Any) -> list[str]:
    """Return the names of the examples that suit a model."""
    if _knows_drawings(model):
        return drawn_names()
    names = []
    for name in photograph_names():
        names += [name, *(f"{name}{_SEPARATOR}{caption}" for caption in photograph(name).others)]
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
        return Example(drawn, drawn.caption, "")
    if name not in all_names():
        titles = ", ".join([*photograph_names(), *drawn_names()])
        raise InputError("example", f"is {name!r}", f"pass one of {titles}, or None")
    title, _, caption = name.partition(_SEPARATOR)
    shown = photograph(title)
    return Example(shown, caption or shown.caption, shown.others.get(caption, ""))


def label(name: str) -> str:
    """Return what a menu says for an example: its title in words, and its caption as it is."""
    title, separator, caption = name.partition(_SEPARATOR)
    return title.replace("-", " ") + separator + caption


def _knows_drawings(model: Any) -> bool:
    return (model.name if isinstance(model, DualEncoder) else model) in _DRAWN
