"""The Common Objects in Context data set, with its captions."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...checks import as_folder, quoted
from ...errors import InputError
from .._dataset import Box, Dataset, Sample
from ._coco_words import NOT_MEANT, WORDS, with_plural
from ._reading import (
    ImageFolder,
    ProblemLog,
    UnusableError,
    as_box,
    as_numbers,
    as_side,
    as_text,
    finished,
    phrases,
    read_json,
)

#: What tells entries of COCO's lists apart.
Identity = int | str


class Picture(NamedTuple):
    """An image, and where it is."""

    file_name: str
    path: Path
    width: float
    height: float


def coco(instances: Any, captions: Any, images: Any) -> Dataset:
    """Read COCO's captions and find its categories in them.

    Each caption of each image becomes a sample. A word or expression for a
    category becomes a phrase, and its boxes are those of all the image's
    instances of the category, crowds too. Where the image has no such
    instance the word is skipped, so ``"an orange cat"`` names an orange only
    where there is one. COCO itself does not link words to boxes.

    Parameters
    ----------
    instances
        Path of a file such as ``instances_val2017.json``.
    captions
        Path of a file such as ``captions_val2017.json``.
    images
        Path of the folder with the images.

    Returns
    -------
    Dataset
        Samples in the order of ``captions``, named by file and caption, such
        as ``"000000000139.jpg#37212"``; labels are the categories' names.

    Raises
    ------
    InputError
        When a file cannot be read, or nothing in it can be used.

    Notes
    -----
    Lin et al., "Microsoft COCO: common objects in context", ECCV 2014; Chen et
    al., "Microsoft COCO captions", 2015. Words were first matched to the
    categories like this by Rohrbach et al., "Object hallucination in image
    captioning", EMNLP 2018.
    """
    log = ProblemLog()
    instances_path, truth = read_content(instances, "instances", ("images", "annotations"))
    captions_path, written = read_content(captions, "captions", ("annotations",))
    folder = ImageFolder(as_folder(images, "images"))
    pictures = read_pictures(truth, instances_path.name, folder, log)
    categories = _categories(truth, instances_path.name, log)
    boxes = _boxes(truth, instances_path.name, pictures, categories, log)
    words = _Words(categories.values())
    samples = _samples(written, captions_path.name, pictures, boxes, words, log)
    return finished("coco", samples, log, "captions", captions_path.name)


def read_content(value: Any, argument: str, needed: tuple[str, ...]) -> tuple[Path, dict[str, Any]]:
    """Return the path and the content of one of COCO's files, which has the lists ``needed``."""
    path, content = read_json(value, argument)
    for key in needed:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(
                argument, f'has no list "{key}"', f"pass the path of COCO's {argument} file"
            )
    return path, content


def entries_of(
    content: dict[str, Any], key: str, file: str, log: ProblemLog
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object of a list with its place; log what is not an object."""
    entries = content.get(key)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        place = f"{key}[{index}]"
        if isinstance(entry, dict):
            yield place, entry
        else:
            log.add(file, place, "is no object")


def identity_of(entry: dict[str, Any], key: str) -> Identity:
    """Return an id of an entry, else raise :class:`UnusableError`."""
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UnusableError(f'"{key}" is missing or no id')
    return value


def read_pictures(
    truth: dict[str, Any], file: str, folder: ImageFolder, log: ProblemLog
) -> dict[Identity, Picture | None]:
    """Return the images by id; ``None`` for those that cannot be used."""
    pictures: dict[Identity, Picture | None] = {}
    for place, entry in entries_of(truth, "images", file, log):
        with log.catching(file, place):
            identity = identity_of(entry, "id")
            if identity in pictures:
                raise UnusableError(f"the image id {quoted(identity)} is there twice")
            pictures[identity] = None
            name = as_text(entry.get("file_name"), '"file_name"')
            width, height = (as_side(entry.get(key), f'"{key}"') for key in ("width", "height"))
            pictures[identity] = Picture(name, folder.find_inside(name), width, height)
    return pictures


def _categories(truth: dict[str, Any], file: str, log: ProblemLog) -> dict[Identity, str]:
    categories: dict[Identity, str] = {}
    for place, entry in entries_of(truth, "categories", file, log):
        with log.catching(file, place):
            identity = identity_of(entry, "id")
            if identity in categories:
                raise UnusableError(f"the category id {quoted(identity)} is there twice")
            categories[identity] = as_text(entry.get("name"), '"name"')
    if not categories:
        log.add(file, "categories", "no category can be read")
    return categories


def _boxes(
    truth: dict[str, Any],
    file: str,
    pictures: dict[Identity, Picture | None],
    categories: dict[Identity, str],
    log: ProblemLog,
) -> dict[tuple[Identity, str], list[Box]]:
    """Return the boxes by image and category."""
    boxes: dict[tuple[Identity, str], list[Box]] = {}
    for place, entry in entries_of(truth, "annotations", file, log):
        with log.catching(file, place):
            picture = picture_of(entry, pictures)
            if picture is None:  # logged already
                continue
            category = identity_of(entry, "category_id")
            if category not in categories:
                raise UnusableError(f"there is no category with the id {quoted(category)}")
            sides = ("x", "y", "width", "height")
            x, y, across, down = as_numbers(entry.get("bbox"), '"bbox"', sides)
            box = as_box((x, y, x + across, y + down), picture.width, picture.height)
            boxes.setdefault((identity_of(entry, "image_id"), categories[category]), []).append(box)
    return boxes


def picture_of(entry: dict[str, Any], pictures: dict[Identity, Picture | None]) -> Picture | None:
    """Return the image of an annotation; ``None`` where it was logged that it cannot be used."""
    identity = identity_of(entry, "image_id")
    if identity not in pictures:
        raise UnusableError(f"there is no image with the id {quoted(identity)}")
    return pictures[identity]


def _samples(
    written: dict[str, Any],
    file: str,
    pictures: dict[Identity, Picture | None],
    boxes: dict[tuple[Identity, str], list[Box]],
    words: "_Words",
    log: ProblemLog,
) -> Iterator[Sample]:
    seen: set[Identity] = set()
    for place, entry in entries_of(written, "annotations", file, log):
        with log.catching(file, place):
            picture = picture_of(entry, pictures)
            if picture is None:
                continue
            identity = identity_of(entry, "id")
            caption = as_text(entry.get("caption"), '"caption"').strip()
            if identity in seen:
                raise UnusableError(f"the caption id {quoted(identity)} is there twice")
            seen.add(identity)
            image = identity_of(entry, "image_id")
            named = {
                (start, stop, category): boxes.get((image, category), [])
                for start, stop, category in words.find(caption)
            }
            name = f"{picture.file_name}#{identity}"
            yield Sample(name, picture.path, caption, phrases(named))


class _Words:
    """Finds words for categories in captions: the longest expression first, whole words."""

    def __init__(self, categories: Iterable[str]):
        self._meant: dict[str, str | None] = dict.fromkeys(NOT_MEANT)
        for category in categories:
            plain = " ".join(re.split(r"[\s_-]+", category.lower().strip()))
            for word in WORDS.get(plain, with_plural(plain)):
                self._meant.setdefault(word, category)
        # By first word: a pattern of all expressions takes a minute for COCO's own captions.
        starting: dict[str, list[str]] = {}
        for word in sorted(self._meant, key=len, reverse=True):
            if first := _FIRST_WORD.match(word):
                starting.setdefault(first.group(), []).append(word)
        self._starting = {first: _pattern(words) for first, words in starting.items()}

    def find(self, caption: str) -> Iterator[tuple[int, int, str]]:
        """Yield where each word stands, with its category."""
        done = 0
        for first in _FIRST_WORD.finditer(caption):
            pattern = self._starting.get(first.group().lower())
            if pattern is None or first.start() < done:
                continue
            if match := pattern.match(caption, first.start()):
                done = match.end()
                category = self._meant.get(" ".join(re.split(_GAP, match.group().lower())))
                if category is not None:
                    yield match.start(), match.end(), category


_GAP = r"[\s-]+"  # "hot-dog" is "hot dog" ...
_FIRST_WORD = re.compile(r"(?<![\w-])\w+")


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    spelled = (_GAP.join(map(re.escape, word.split())) for word in words)
    # ... but "dog-shaped" is no dog.
    return re.compile(rf"(?:{'|'.join(spelled)})(?![\w-])", re.IGNORECASE)
