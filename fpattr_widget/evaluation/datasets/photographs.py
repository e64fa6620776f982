"""The bundled photographs, with boxes drawn by hand."""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from ...assets import photograph, picture_index
from .._dataset import Box, Dataset, Sample
from ._reading import as_box, phrases


@dataclass(frozen=True)
class OpenedPhotograph:
    """Opens a bundled photograph when called, RGB."""

    name: str

    def __call__(self) -> Image.Image:
        return photograph(self.name).image


def photographs() -> Dataset:
    """Return the bundled photographs.

    Each caption names what the picture shows at first sight. The boxes of what
    it names were drawn by hand around all that is visible of a thing; where the
    words name several things of a kind, each has its box. No photograph was
    used to train the bundled models; their settings were chosen on other
    pictures, but for one (``training.json`` of the model).

    Returns
    -------
    Dataset
        Labels are nouns in the singular. No side is longer than 1,024 pixels;
        authors and licences are in ``fpattr_widget/assets/pictures/README.md``.
    """
    pictures = picture_index()["pictures"]
    return Dataset("photographs", [_sample(name, entry) for name, entry in pictures.items()])


def _sample(name: str, entry: dict[str, Any]) -> Sample:
    width, height = entry["size"]
    caption: str = entry["caption"]
    boxes: dict[tuple[int, int, str], list[Box]] = {}
    for noun, thing in entry["objects"].items():
        start = caption.index(thing["words"])
        key = (start, start + len(thing["words"]), noun)
        boxes[key] = [as_box(box, width, height) for box in thing["boxes"]]
    return Sample(name, OpenedPhotograph(name), caption, phrases(boxes))
