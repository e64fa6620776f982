"""COCO's captions, each with a paraphrase of your own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...checks import as_folder, quoted
from .._paraphrases import Paraphrase, Paraphrases
from ._reading import (
    ImageFolder,
    ProblemLog,
    UnusableError,
    as_text,
    csv_lines,
    read_argument,
)
from ._wordings import as_pair, finished_pairs
from .coco import (
    Identity,
    Picture,
    entries_of,
    identity_of,
    picture_of,
    read_content,
    read_pictures,
)

_NEEDED = ("caption_id", "paraphrase")


def coco_paraphrases(captions: Any, paraphrases: Any, images: Any) -> Paraphrases:
    """Read COCO's captions, and paraphrases of them from a CSV file.

    The paraphrases of Cheng et al. are not published; the file is of your own making. Its
    first line names the columns: ``caption_id``, the ``id`` of a caption among COCO's
    annotations, and ``paraphrase``. A caption may have several::

        caption_id,paraphrase
        37212,a young child holds a box of pizza

    Parameters
    ----------
    captions
        Path of a file such as ``captions_val2017.json``.
    paraphrases
        Path of the CSV file, UTF-8.
    images
        Path of the folder with the images.

    Returns
    -------
    Paraphrases
        In the order of ``paraphrases``, grouped by image. The gallery are all of COCO's
        images of ``captions``, named by file. Words that stand once in each wording are
        aligned.

    Raises
    ------
    InputError
        When a file cannot be read, or nothing in it can be used.

    Notes
    -----
    Lin et al., "Microsoft COCO: common objects in context", ECCV 2014. Retrieval with two
    wordings of COCO's captions: Cheng et al., "Adapting dual-encoder vision-language models
    for paraphrased retrieval", 2024.
    """
    log = ProblemLog()
    captions_path, written = read_content(captions, "captions", ("images", "annotations"))
    file, text = read_argument(paraphrases, "paraphrases")
    folder = ImageFolder(as_folder(images, "images"))
    pictures = read_pictures(written, captions_path.name, folder, log)
    known = _captions(written, captions_path.name, pictures, log)
    pairs = list(_pairs(file, text, known, log))
    gallery = {one.file_name: one.path for one in pictures.values() if one}
    return finished_pairs("coco_paraphrases", pairs, gallery, log, "paraphrases", file.name)


def _captions(
    written: dict[str, Any],
    file: str,
    pictures: dict[Identity, Picture | None],
    log: ProblemLog,
) -> dict[str, tuple[str, Picture] | None]:
    """Return captions by their ids; ``None`` for those that cannot be used."""
    known: dict[str, tuple[str, Picture] | None] = {}
    for place, entry in entries_of(written, "annotations", file, log):
        with log.catching(file, place):
            identity = str(identity_of(entry, "id"))
            if identity in known:
                raise UnusableError(f"the caption id {quoted(identity)} is there twice")
            known[identity] = None
            picture = picture_of(entry, pictures)
            caption = as_text(entry.get("caption"), '"caption"')
            if picture:
                known[identity] = caption, picture
    return known


def _pairs(
    file: Path, text: str, known: dict[str, tuple[str, Picture] | None], log: ProblemLog
) -> Iterator[tuple[str, Paraphrase]]:
    for place, entry in csv_lines(file, text, "paraphrases", _NEEDED, log):
        with log.catching(file.name, place):
            identity, paraphrase = (as_text(entry[name], name).strip() for name in _NEEDED)
            if identity not in known:
                raise UnusableError(f"there is no caption with the id {quoted(identity)}")
            if caption := known[identity]:  # else it was logged already
                query, picture = caption
                yield place, as_pair(query, paraphrase, picture.file_name, picture.path)
