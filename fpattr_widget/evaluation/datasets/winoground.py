"""Winoground: two pictures and two captions of the same words in another order."""

from pathlib import Path
from typing import Any

from ...checks import as_folder, quoted
from .._dataset import Dataset, Sample
from ._reading import (
    ImageFolder,
    ProblemLog,
    UnusableError,
    as_foil,
    as_object,
    as_text,
    finished,
    parse_json,
    read_argument,
)

# The authors' file leaves them out.
_ENDINGS = ("", ".png", ".jpg", ".jpeg")


def winoground(path: Any, images: Any) -> Dataset:
    """Read Winoground, or pairs of pictures and captions in its form.

    Parameters
    ----------
    path
        Path of a file such as ``examples.jsonl``, with an example on each line::

            {"id": 0, "image_0": "ex_0_img_0", "image_1": "ex_0_img_1",
             "caption_0": "an old person kisses a young person",
             "caption_1": "a young person kisses an old person",
             "tag": "Adjective-Age", "collapsed_tag": "Object"}

    images
        Path of the folder with the images; names may lack ``.png`` or ``.jpg``.

    Returns
    -------
    Dataset
        Samples are the first picture with the first caption, named by the example's id, such
        as ``"examples#0"``. The other two are its foil, whose kind is ``collapsed_tag``, else
        ``tag``. No words are linked to boxes.

    Raises
    ------
    InputError
        When the file cannot be read, or nothing in it can be used.

    Notes
    -----
    Thrush et al., "Winoground: probing vision and language models for visio-linguistic
    compositionality", CVPR 2022, arXiv 2204.03162.
    """
    log = ProblemLog()
    file, text = read_argument(path, "path")
    folder = ImageFolder(as_folder(images, "images"))
    samples = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            with log.catching(file.name, f"line {number}"):
                samples.append(_sample(as_object(parse_json(line)), file.stem, folder))
    return finished(file.stem, samples, log, "path", file.name)


def _sample(entry: dict[str, Any], name: str, folder: ImageFolder) -> Sample:
    identity = entry.get("id")
    if isinstance(identity, bool) or not isinstance(identity, int | str):
        raise UnusableError('"id" is missing or no id')
    caption, other = (as_text(entry.get(f"caption_{n}"), f'"caption_{n}"').strip() for n in (0, 1))
    picture, other_picture = (_picture(entry, f"image_{n}", folder) for n in (0, 1))
    kind = next((entry[key] for key in ("collapsed_tag", "tag") if entry.get(key)), None)
    kind = "" if kind is None else as_text(kind, '"tag"')
    foil = as_foil(caption, other, other_picture, kind)
    return Sample(as_text(f"{name}#{identity}", '"id"'), picture, caption, foils=(foil,))


def _picture(entry: dict[str, Any], key: str, folder: ImageFolder) -> Path:
    name = as_text(entry.get(key), f'"{key}"')
    for ending in _ENDINGS:
        try:
            return folder.find_inside(name + ending)
        except UnusableError:
            if ending == _ENDINGS[-1]:
                raise UnusableError(f"there is no image {quoted(name)}") from None
    raise AssertionError("every ending was tried")
