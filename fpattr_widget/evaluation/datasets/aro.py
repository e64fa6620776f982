"""ARO: captions beside others whose attributes, relations or words changed places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ...checks import as_folder
from ...encoders import read_image
from ...errors import InputError
from .._dataset import Box, Dataset, Phrase, Sample
from .._foil import Foil
from ._reading import (
    ProblemLog,
    SizedImages,
    UnusableError,
    as_box,
    as_foil,
    as_number,
    as_object,
    as_text,
    finished,
    read_json,
)

_BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
# The ways in which the authors' code puts words in another order, in its order.
_SHUFFLED = (
    "nouns and adjectives",
    "all but nouns and adjectives",
    "within trigrams",
    "trigrams",
)


@dataclass(frozen=True)
class CroppedPicture:
    """Cuts a box out of a picture when called.

    Attributes
    ----------
    path
        Of the picture.
    box
        As fractions of its sides.
    """

    path: Path
    box: Box

    def __call__(self) -> Image.Image:
        picture = read_image(self.path)
        width, height = picture.size
        left, top, right, bottom = self.box
        # At least a pixel, also of a picture that was reduced.
        first, upper = (
            min(int(left * width + 0.5), width - 1),
            min(int(top * height + 0.5), height - 1),
        )
        last, lower = max(round(right * width), first + 1), max(round(bottom * height), upper + 1)
        return picture.crop((first, upper, last, lower))


def aro(path: Any, images: Any, crop: bool = True) -> Dataset:
    """Read ARO (Attribution, Relation and Order): captions with foils of the same words.

    Parameters
    ----------
    path
        Path of ``visual_genome_relation.json`` or ``visual_genome_attribution.json``, a list
        of ``{"image_path": "…", "true_caption": "…", "false_caption": "…", "bbox_x": 0,
        "bbox_y": 9, "bbox_w": 80, "bbox_h": 60}`` with ``"relation_name"`` or
        ``"attributes"``. COCO-Order and Flickr30k-Order are no files: the authors' code makes
        them with a tagger; save its ``test_cases``, a list of ``{"image": "…",
        "caption_options": ["…", …]}`` whose first caption is the right one, to read them.
    images
        Path of the folder with the images.
    crop
        Whether pictures are cut to the box of what the caption tells, as by the authors, whose
        numbers are of these crops. If not, the whole caption is a phrase with that box.

    Returns
    -------
    Dataset
        Samples are named by picture and number in the list, such as ``"2414.jpg#0"``. The kind
        of a foil is the relation's name, both attributes, or how words were shuffled.

    Raises
    ------
    InputError
        When the file cannot be read, or nothing in it can be used.

    Notes
    -----
    Yuksekgonul et al., "When and why vision–language models behave like bags-of-words, and what
    to do about it?", ICLR 2023, arXiv 2210.01936.
    """
    log = ProblemLog()
    file, content = read_json(path, "path")
    folder = SizedImages(as_folder(images, "images"))
    if not isinstance(content, list):
        raise InputError("path", "holds no list", "pass a file such as visual_genome_relation.json")
    samples = _samples(content, file.name, folder, crop, log)
    return finished(file.stem, samples, log, "path", file.name)


def _samples(
    content: Sequence[Any], file: str, folder: SizedImages, crop: bool, log: ProblemLog
) -> Iterator[Sample]:
    for index, value in enumerate(content):
        place = f"[{index}]"
        with log.catching(file, place):
            entry = as_object(value)
            if "caption_options" in entry:
                yield _order(entry, index, folder, file, place, log)
            else:
                yield _swapped(entry, index, folder, crop)


def _swapped(entry: dict[str, Any], index: int, folder: SizedImages, crop: bool) -> Sample:
    name = as_text(entry.get("image_path"), '"image_path"')
    caption = as_text(entry.get("true_caption"), '"true_caption"').strip()
    false = as_text(entry.get("false_caption"), '"false_caption"').strip()
    foil = as_foil(caption, false, kind=_kind(entry))
    x, y, across, down = (as_number(entry.get(key), f'"{key}"') for key in _BOX)
    path, width, height = folder.find(name)
    box = as_box((x, y, x + across, y + down), width, height)
    if crop:
        return Sample(f"{name}#{index}", CroppedPicture(path, box), caption, foils=(foil,))
    told = Phrase(0, len(caption), foil.kind, (box,))
    return Sample(f"{name}#{index}", path, caption, (told,), foils=(foil,))


def _kind(entry: dict[str, Any]) -> str:
    attributes = entry.get("attributes")
    if attributes is None:
        return as_text(entry.get("relation_name"), '"relation_name"')
    if not isinstance(attributes, list):
        raise UnusableError('"attributes" is no list')
    return " and ".join(as_text(attribute, "an attribute") for attribute in attributes)


def _order(
    entry: dict[str, Any], index: int, folder: SizedImages, file: str, place: str, log: ProblemLog
) -> Sample:
    name = as_text(entry.get("image"), '"image"')
    options = entry["caption_options"]
    if not isinstance(options, list) or len(options) < 2:
        raise UnusableError('"caption_options" is no list of two or more')
    caption = as_text(options[0], '"caption_options"').strip()
    kinds = _SHUFFLED if len(options) == 1 + len(_SHUFFLED) else ("order",) * (len(options) - 1)
    foils: list[Foil] = []
    for number, (option, kind) in enumerate(zip(options[1:], kinds, strict=True), start=1):
        with log.catching(file, f"{place}.caption_options[{number}]"):
            foils.append(as_foil(caption, as_text(option, "the caption").strip(), kind=kind))
    path, _, _ = folder.find(name)
    return Sample(f"{name}#{index}", path, caption, foils=tuple(foils))
