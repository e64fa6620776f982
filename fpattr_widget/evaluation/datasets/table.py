"""Your own images, captions and boxes, from a CSV file or from lines of JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...checks import as_folder, quoted
from ...errors import InputError
from .._dataset import Box, Dataset, Sample
from ._reading import (
    ImageFolder,
    ProblemLog,
    UnusableError,
    as_box,
    as_number,
    as_numbers,
    as_text,
    csv_lines,
    finished,
    parse_json,
    phrases,
    place_of,
    read_argument,
    upright_size,
)

_EDGES = ("left", "top", "right", "bottom")
_NEEDED = ("image", "caption", "phrase", *_EDGES)
_UNITS = ("pixels", "fractions")


def table(path: Any, images: Any = None, boxes: str = "pixels") -> Dataset:
    """Read your own samples from a file.

    A ``.csv`` file has a header and one line for each box: ``image, caption,
    phrase, left, top, right, bottom``, and optionally ``label`` and ``start``.
    Lines with the same image, caption and phrase belong together; a line
    without phrase and box adds a caption in which nothing is marked. A
    ``.jsonl`` file has a sample on each line::

        {"image": "dog.jpg", "caption": "a dog",
         "phrases": [{"phrase": "dog", "label": "dog", "boxes": [[8, 9, 60, 52]]}]}

    Parameters
    ----------
    path
        Of the file, UTF-8; its ending decides how it is read. ``phrase`` is
        looked for in the caption as whole words, from the left; ``start``, the
        number of its first character from 0, settles which one is meant. In
        JSON, ``start`` and ``stop`` do without ``phrase``. Without ``label``
        a phrase counts under its own text in lower case.
    images
        Path of the folder where relative names of images start; the file's
        own when ``None``. All images have to lie in it or below it, so that
        someone else's file cannot name what else is on your disk, which a
        report would then show. For a file of your own with absolute names,
        pass a folder that holds them all, if need be ``"/"``.
    boxes
        ``"pixels"`` of the upright image, or ``"fractions"`` of its sides;
        both from the left and from the top.

    Returns
    -------
    Dataset
        Named by the file; samples are named by image and number among the
        image's captions, such as ``"dog.jpg#0"``.

    Raises
    ------
    InputError
        When an argument is wrong, or nothing in the file can be used.
    """
    if boxes not in _UNITS:
        raise InputError("boxes", f"is {quoted(boxes)}", "pass 'pixels' or 'fractions'")
    file, text = read_argument(path, "path")
    log = ProblemLog()
    folder = file.parent if images is None else as_folder(images, "images")
    gathered = _Gathered(folder, boxes == "pixels")
    ending = file.suffix.lower()
    if ending == ".csv":
        _read_csv(text, file, gathered, log)
    elif ending == ".jsonl":
        _read_json_lines(text, file, gathered, log)
    else:
        raise InputError("path", f"ends in {quoted(ending)}", "pass a .csv or a .jsonl file")
    if boxes == "pixels" and gathered.largest is not None and gathered.largest <= 1:
        raise InputError(
            "boxes", "is 'pixels', but no number of any box is above 1", "pass boxes='fractions'"
        )
    return finished(file.stem, gathered.samples(), log, "path", file.name)


class _Gathered:
    """Joins lines of the same image, caption and phrase."""

    def __init__(self, folder: Path, pixels: bool):
        self._folder = ImageFolder(folder)
        self._pixels = pixels
        self._images: dict[str, tuple[Path, float, float] | None] = {}
        self._captions: dict[str, dict[str, dict[tuple[int, int], tuple[str, list[Box]]]]] = {}
        self._order: list[tuple[str, str]] = []
        #: The largest number of any box.
        self.largest: float | None = None

    def usable(self, image: str) -> bool:
        """Whether an image can be opened; its header is read at the first call.

        Raises
        ------
        UnusableError
            When it cannot, at the first call only.
        """
        if image not in self._images:
            self._images[image] = None
            path = self._folder.find_inside(image)
            self._images[image] = (path, *(upright_size(path) if self._pixels else (1, 1)))
        return self._images[image] is not None

    def caption(self, image: str, caption: str) -> None:
        """Add a caption, so far without phrases."""
        captions = self._captions.setdefault(image, {})
        if caption not in captions:
            captions[caption] = {}
            self._order.append((image, caption))

    def box(self, image: str, edges: list[float]) -> Box:
        """Return a box as fractions."""
        opened = self._images[image]
        assert opened is not None
        self.largest = max(edges if self.largest is None else [self.largest, *edges])
        return as_box(edges, *opened[1:])

    def phrase(self, image: str, caption: str, span: tuple[int, int], label: str, box: Box) -> None:
        """Add a box of a phrase."""
        known = self._captions.get(image, {}).get(caption, {}).get(span)
        if known and known[0] != label:
            raise UnusableError(f"the phrase already has the label {quoted(known[0])}")
        self.caption(image, caption)
        self._captions[image][caption].setdefault(span, (label, []))[1].append(box)

    def samples(self) -> Iterator[Sample]:
        numbers: dict[str, int] = {}
        for image, caption in self._order:
            number = numbers.get(image, 0)
            numbers[image] = number + 1
            marked = self._captions[image][caption]
            boxes = {(*span, label): own for span, (label, own) in marked.items()}
            opened = self._images[image]
            assert opened is not None
            yield Sample(f"{image}#{number}", opened[0], caption, phrases(boxes))


def _read_csv(text: str, file: Path, gathered: _Gathered, log: ProblemLog) -> None:
    for place, entry in csv_lines(file, text, "path", _NEEDED, log):
        with log.catching(file.name, place):
            _add_line(entry, gathered)


def _add_line(entry: dict[str, str], gathered: _Gathered) -> None:
    image = as_text(entry["image"], "image").strip()
    caption = as_text(entry["caption"], "caption")
    if not gathered.usable(image):
        return
    if not any(entry[name].strip() for name in ("phrase", *_EDGES)):
        gathered.caption(image, caption)
        return
    words = as_text(entry["phrase"], "phrase").strip()
    start = entry.get("start", "").strip()
    span = _span(caption, words, _parsed(start, "start") if start else None)
    label = _label(entry.get("label", "").strip() or None, words)
    box = gathered.box(image, [_parsed(entry[name], name) for name in _EDGES])
    gathered.phrase(image, caption, span, label, box)


def _parsed(text: str, what: str) -> float:
    try:
        value: float | None = float(text)
    except ValueError:
        value = None
    return as_number(value, what)


def _read_json_lines(text: str, file: Path, gathered: _Gathered, log: ProblemLog) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            place = f"line {number}"
            with log.catching(file.name, place):
                _add_entry(parse_json(line), file.name, place, gathered, log)


def _add_entry(entry: Any, file: str, place: str, gathered: _Gathered, log: ProblemLog) -> None:
    if not isinstance(entry, dict):
        raise UnusableError("is no object")
    image = as_text(entry.get("image"), '"image"')
    caption = as_text(entry.get("caption"), '"caption"')
    marked = entry.get("phrases", [])
    if not isinstance(marked, list):
        raise UnusableError('"phrases" is no list')
    if not gathered.usable(image):
        return
    gathered.caption(image, caption)
    for index, part in enumerate(marked):
        within = f"{place}, phrases[{index}]"
        with log.catching(file, within):
            if not isinstance(part, dict):
                raise UnusableError("is no object")
            span = _span_of(part, caption)
            label = _label(part.get("label"), caption[slice(*span)])
            boxes = part.get("boxes")
            if not isinstance(boxes, list):
                raise UnusableError('"boxes" is missing or no list')
            for number, edges in enumerate(boxes):
                with log.catching(file, f"{within}.boxes[{number}]"):
                    box = gathered.box(image, as_numbers(edges, "the box", _EDGES))
                    gathered.phrase(image, caption, span, label, box)


def _span_of(part: dict[str, Any], caption: str) -> tuple[int, int]:
    start = part.get("start")
    if "phrase" in part or "stop" not in part:
        words = as_text(part.get("phrase"), '"phrase"')
        span = _span(caption, words, None if start is None else as_number(start, '"start"'))
        if part.get("stop", span[1]) != span[1]:
            raise UnusableError('"stop" is not where the phrase ends')
        return span
    first, last = (as_number(part.get(key), f'"{key}"') for key in ("start", "stop"))
    if not (first.is_integer() and last.is_integer() and 0 <= first < last <= len(caption)):
        raise UnusableError('"start" and "stop" do not lie in the caption')
    if not caption[int(first) : int(last)].strip():
        raise UnusableError('"start" and "stop" hold no word')
    return int(first), int(last)


def _label(value: Any, words: str) -> str:
    return " ".join(words.lower().split()) if value is None else as_text(value, "label").strip()


def _span(caption: str, words: str, start: float | None) -> tuple[int, int]:
    """Return start and stop of words in a caption."""
    if start is not None:
        if not start.is_integer() or start < 0:
            raise UnusableError("start is no whole number from 0")
        first = int(start)
        if caption[first : first + len(words)].lower() != words.lower():
            raise UnusableError(f"the phrase {quoted(words)} does not stand at start")
        return first, first + len(words)
    span = place_of(caption, words)
    if span is None:
        raise UnusableError(f"the phrase {quoted(words)} does not stand in the caption")
    return span
