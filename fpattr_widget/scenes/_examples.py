"""The example scenes, which ``training.render_examples`` has rendered."""

import json
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from ..assets import EXAMPLES_FOLDER
from ..errors import InputError
from ._captions import Mention
from ._layout import SceneObject


@dataclass(frozen=True)
class Example:
    """A rendered scene with its caption and its objects.

    Attributes
    ----------
    name
        See :func:`example_names`.
    image
        The picture, RGB.
    caption
        The caption; false on purpose for some.
    objects
        The objects and their boxes, as fractions of the picture's sides.
    mentions
        Which characters of the caption name which objects.
    """

    name: str
    image: Image.Image
    caption: str
    objects: tuple[SceneObject, ...]
    mentions: tuple[Mention, ...]


@lru_cache(maxsize=1)
def _index() -> dict[str, dict]:
    entries: dict[str, dict] = json.loads((EXAMPLES_FOLDER / "examples.json").read_text("utf-8"))
    return entries


def example_names() -> list[str]:
    """Return the names of the example scenes."""
    return list(_index())


def example(name: str) -> Example:
    """Return an example scene.

    Raises
    ------
    InputError
        When there is no example of this name.
    """
    if name not in _index():
        raise InputError("name", f"is {name!r}", f"pass one of {', '.join(example_names())}")
    entry = _index()[name]
    with (EXAMPLES_FOLDER / f"{name}.webp").open("rb") as stream:
        image = Image.open(stream).convert("RGB")
    return Example(
        name,
        image,
        entry["caption"],
        tuple(SceneObject(o["kind"], tuple(o["box"])) for o in entry["objects"]),
        tuple(Mention(m["start"], m["stop"], tuple(m["objects"])) for m in entry["mentions"]),
    )
