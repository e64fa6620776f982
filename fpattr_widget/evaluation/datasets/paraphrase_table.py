"""Your own pairs of wordings, from a CSV file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...checks import as_folder
from .._paraphrases import Paraphrase, Paraphrases
from ._reading import ImageFolder, ProblemLog, as_text, csv_lines, read_argument
from ._wordings import as_pair, finished_pairs

_NEEDED = ("query", "paraphrase")


def paraphrase_table(path: Any, images: Any = None) -> Paraphrases:
    """Read pairs of wordings that mean the same from a CSV file.

    Its first line names the columns: ``query, paraphrase``, and optionally ``image``, the
    picture that both describe, and ``group``::

        query,paraphrase,image
        a dog beside a cat,a cat next to a dog,pets.jpg

    Parameters
    ----------
    path
        Of the file, UTF-8.
    images
        Path of the folder where relative names of images start; the file's own when
        ``None``. All images have to lie in it or below it.

    Returns
    -------
    Paraphrases
        Named by the file. The gallery are the images of the column, each once; pairs are
        grouped by ``group``, else by image, else by query. Words that stand once in each
        wording are aligned.

    Raises
    ------
    InputError
        When an argument is wrong, or nothing in the file can be used.
    """
    file, text = read_argument(path, "path")
    folder = ImageFolder(file.parent if images is None else as_folder(images, "images"))
    log, gallery = ProblemLog(), dict[str, Path]()
    pairs = list(_pairs(file, text, folder, gallery, log))
    return finished_pairs(file.stem, pairs, gallery, log, "path", file.name)


def _pairs(
    file: Path, text: str, folder: ImageFolder, gallery: dict[str, Path], log: ProblemLog
) -> Iterator[tuple[str, Paraphrase]]:
    for place, entry in csv_lines(file, text, "path", _NEEDED, log):
        with log.catching(file.name, place):
            query, paraphrase = (as_text(entry[name], name) for name in _NEEDED)
            image, group = (_optional(entry, name) for name in ("image", "group"))
            source = folder.find_inside(image) if image else None
            pair = as_pair(query, paraphrase, group or image, source)
            if source:
                gallery[image] = source
            yield place, pair


def _optional(entry: dict[str, str], name: str) -> str:
    value = entry.get(name, "").strip()
    return as_text(value, name) if value else ""
