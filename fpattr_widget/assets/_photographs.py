"""The bundled photographs, and what is written about them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from PIL import Image

from ..errors import InputError

#: The folder of the photographs, and of ``pictures.json``, which describes them.
PICTURES_FOLDER: Traversable = files(__package__) / "pictures"


@dataclass(frozen=True)
class Photograph:
    """A bundled photograph.

    Attributes
    ----------
    name
        See :func:`photograph_names`.
    caption
        What it shows.
    others
        Instructive captions, true and false, and what to look at with each.
    """

    name: str
    caption: str
    others: Mapping[str, str]

    @property
    def image(self) -> Image.Image:
        """The picture, RGB; no side is longer than 1,024 pixels."""
        with (PICTURES_FOLDER / _entry(self.name)["file"]).open("rb") as stream:
            return Image.open(stream).convert("RGB")


@lru_cache(maxsize=1)
def picture_index() -> dict[str, Any]:
    """Return what ``pictures.json`` says: ``"packages"`` and ``"pictures"``, by name."""
    index: dict[str, Any] = json.loads((PICTURES_FOLDER / "pictures.json").read_text("utf-8"))
    return index


def photograph_names() -> list[str]:
    """Return the names of the bundled photographs."""
    return list(picture_index()["pictures"])


def photograph(name: str) -> Photograph:
    """Return a bundled photograph.

    Raises
    ------
    InputError
        When there is none of this name.
    """
    entry = _entry(name)
    others = {other["caption"]: other["note"] for other in entry["others"]}
    return Photograph(name, entry["caption"], others)


def _entry(name: str) -> Any:
    pictures = picture_index()["pictures"]
    if name not in pictures:
        raise InputError("name", f"is {name!r}", f"pass one of {', '.join(pictures)}")
    return pictures[name]
