"""Hard Negative Captions (HNC): captions of scene graphs, beside others with one thing changed."""

from collections.abc import Iterator
from typing import Any

from ...checks import as_folder, quoted
from ...errors import InputError
from .._dataset import Box, Dataset, Phrase, Sample
from .._foil import Change, Foil
from ._reading import (
    ProblemLog,
    SizedImages,
    UnusableError,
    as_box,
    as_number,
    as_object,
    as_text,
    finished,
    phrases,
    place_of,
    read_json,
)


def hnc(path: Any, images: Any) -> Dataset:
    """Read Hard Negative Captions: what is right of a picture, beside what is nearly right.

    Parameters
    ----------
    path
        Path of a file such as ``hnc_clean_strict_val.json``: by image, captions with ``label``
        1 (right) or 0 (wrong), and for a wrong one the right one's number, ``cpt_p_id``, its
        ``type`` and what was ``replaced`` by what::

            {"2415537": {"captions": {
                "0": {"caption": "The flag is red.", "label": 1, "type": "attribute",
                      "bboxes": {"1023": {"name": "flag",
                                          "bbox": {"x": 8, "y": 9, "w": 60, "h": 52}}}},
                "1": {"caption": "The flag is blue.", "label": 0, "type": "attribute",
                      "replaced": ["red", "blue"], "cpt_p_id": 0}}}}

    images
        Path of the folder with GQA's images, such as ``2415537.jpg``.

    Returns
    -------
    Dataset
        Samples are the right captions, named by image and caption, such as
        ``"2415537.jpg#0"``, and the wrong ones their foils, by ``type``. Objects whose names
        stand in the caption are phrases with their boxes, and so is a word that was replaced
        and is told of one of them: one that stands before its name, or of the only object.

    Raises
    ------
    InputError
        When the file cannot be read, or nothing in it can be used.

    Notes
    -----
    Dönmez et al., "HNC: leveraging hard negative captions towards models with fine-grained
    visual–linguistic comprehension capabilities", CoNLL 2023.
    """
    log = ProblemLog()
    file, content = read_json(path, "path")
    folder = SizedImages(as_folder(images, "images"))
    if not isinstance(content, dict):
        raise InputError("path", "holds no object", "pass a file such as hnc_clean_strict_val.json")
    samples: list[Sample] = []
    for identity, value in content.items():
        place = f"image {quoted(identity)}"
        with log.catching(file.name, place):
            name = as_text(identity, "the image's id")
            name = name if name.endswith(".jpg") else f"{name}.jpg"
            captions = as_object(value)
            captions = as_object(captions.get("captions", captions), '"captions"')
            folder.find(name)
            samples += _samples(captions, name, folder, file.name, place, log)
    return finished(file.stem, samples, log, "path", file.name)


def _samples(
    captions: dict[str, Any],
    name: str,
    folder: SizedImages,
    file: str,
    place: str,
    log: ProblemLog,
) -> Iterator[Sample]:
    right: dict[str, dict[str, Any]] = {}
    wrong: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for key, value in captions.items():
        within = f"{place}, caption {quoted(key)}"
        with log.catching(file, within):
            entry = as_object(value)
            as_text(entry.get("caption"), '"caption"')
            if entry.get("label") not in (0, 1):
                raise UnusableError('"label" is neither 0 nor 1')
            if entry["label"] == 1:
                right[key] = entry
                continue
            of = entry.get("cpt_p_id")
            if isinstance(of, bool) or not isinstance(of, int | str):
                raise UnusableError('"cpt_p_id" is missing or no id')
            wrong.setdefault(str(of), []).append((within, entry))
    for key, others in wrong.items():
        if key not in right:
            for within, _ in others:
                log.add(file, within, f"there is no right caption {quoted(key)}")
    for key, entry in right.items():
        with log.catching(file, f"{place}, caption {quoted(key)}"):
            caption = entry["caption"].strip()
            foils: list[Foil] = []
            for within, other in wrong.get(key, ()):
                with log.catching(file, within):
                    foils.append(_foil(caption, other))
            path, width, height = folder.find(name)
            boxes = _boxes(entry.get("bboxes"), width, height)
            marked = _phrases(caption, boxes, foils)
            identity = as_text(f"{name}#{key}", "the id")
            yield Sample(identity, path, caption, marked, foils=tuple(foils))


def _foil(caption: str, entry: dict[str, Any]) -> Foil:
    foil = entry["caption"].strip()
    if foil == caption:
        raise UnusableError("it is the same as the right caption")
    kind = entry.get("type")
    replaced = _replaced(caption, foil, entry.get("replaced"))
    return Foil(foil, kind="" if kind is None else as_text(kind, '"type"'), changed=replaced)


def _replaced(caption: str, foil: str, replaced: Any) -> Change | None:
    """Return where the words that were replaced stand, if that makes the foil of the caption.

    In the published files it does not always, since a verb or an article changes with them.
    """
    if not isinstance(replaced, list) or len(replaced) != 2:
        return None
    if not all(isinstance(words, str) and words.strip() for words in replaced):
        return None
    span = place_of(caption, replaced[0])
    if span is None:
        return None
    start, stop = span
    if caption[:start] + replaced[1] + caption[stop:] != foil:
        return None
    return span, (start, start + len(replaced[1]))


def _boxes(value: Any, width: int, height: int) -> dict[str, list[Box]]:
    """Return the boxes by the objects' names."""
    boxes: dict[str, list[Box]] = {}
    for entry in as_object(value, '"bboxes"').values() if value is not None else ():
        told = as_object(entry, "a box")
        sides = as_object(told.get("bbox"), '"bbox"')
        x, y, across, down = (as_number(sides.get(key), f'"bbox": {key}') for key in "xywh")
        box = as_box((x, y, x + across, y + down), width, height)
        boxes.setdefault(as_text(told.get("name"), '"name"'), []).append(box)
    return boxes


def _phrases(caption: str, boxes: dict[str, list[Box]], foils: list[Foil]) -> tuple[Phrase, ...]:
    """Return the objects that the caption names, and the words that are told of one of them."""
    marked = {
        (*span, name): own
        for name, own in boxes.items()
        if (span := place_of(caption, name)) is not None
    }
    named = dict(marked)
    for foil in foils:
        for (start, stop), _ in foil.changes(caption):
            words = caption[start:stop]
            if not words.strip() or any(start < last and first < stop for first, last, _ in named):
                continue
            of = [
                own
                for (first, _, _), own in named.items()
                if len(named) == 1 or (stop < first and not caption[stop:first].strip())
            ]
            if len(of) == 1:
                marked[start, stop, words.lower()] = of[0]
    return phrases(marked)
