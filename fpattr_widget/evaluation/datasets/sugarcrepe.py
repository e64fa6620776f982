"""SugarCrepe: captions beside others in which something was added, replaced or swapped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...checks import as_folder, as_path, quoted
from ...errors import InputError
from .._dataset import Dataset, Sample
from ._reading import (
    ImageFolder,
    ProblemLog,
    as_foil,
    as_object,
    as_text,
    finished,
    parse_json,
    read_json,
    read_text,
)


def sugarcrepe(path: Any, images: Any) -> Dataset:
    """Read SugarCrepe: each caption of a picture with a foil that differs in few words.

    Parameters
    ----------
    path
        Path of a file such as ``swap_att.json``, or of the folder with all of them. A file
        holds ``{"0": {"filename": "000000544519.jpg", "caption": "…", "negative_caption":
        "…"}, …}``.
    images
        Path of the folder with the images, COCO's ``val2017``.

    Returns
    -------
    Dataset
        Samples are named by file and number, such as ``"swap_att#0"``, and each has one foil,
        whose kind is the file's name. No words are linked to boxes.

    Raises
    ------
    InputError
        When a file cannot be read, or nothing in it can be used.

    Notes
    -----
    Hsieh et al., "SugarCrepe: fixing hackable benchmarks for vision–language compositionality",
    NeurIPS 2023, arXiv 2306.14610.
    """
    log = ProblemLog()
    file = as_path(path, "path")
    folder = ImageFolder(as_folder(images, "images"))
    samples: list[Sample] = []
    if file.is_dir():
        for each in sorted(file.glob("*.json")):
            with log.catching(each.name, ""):
                content = as_object(parse_json(read_text(each)), "the content")
                samples += _samples(content, each, folder, log)
        return finished("sugarcrepe", samples, log, "path", file.name)
    file, content = read_json(file, "path")
    if not isinstance(content, dict):
        raise InputError(
            "path", "holds no object", "pass a file such as SugarCrepe's swap_att.json"
        )
    samples += _samples(content, file, folder, log)
    return finished(f"sugarcrepe {file.stem}", samples, log, "path", file.name)


def _samples(
    content: dict[str, Any], file: Path, folder: ImageFolder, log: ProblemLog
) -> Iterator[Sample]:
    kind = file.stem
    for key, value in content.items():
        with log.catching(file.name, f"entry {quoted(key)}"):
            entry = as_object(value)
            name = as_text(entry.get("filename"), '"filename"')
            caption = as_text(entry.get("caption"), '"caption"').strip()
            foil = as_text(entry.get("negative_caption"), '"negative_caption"').strip()
            wrong = as_foil(caption, foil, kind=kind)
            number = as_text(key, "the key")
            yield Sample(f"{kind}#{number}", folder.find_inside(name), caption, foils=(wrong,))
