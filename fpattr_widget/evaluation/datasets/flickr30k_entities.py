"""The Flickr30k Entities data set."""

import re
import xml.sax
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from ...checks import as_folder, quoted
from .._dataset import Box, Dataset, Sample
from ._reading import (
    ImageFolder,
    ProblemLog,
    UnusableError,
    as_box,
    as_number,
    as_side,
    as_text,
    finished,
    phrases,
    read_argument,
    read_text,
)

_NOT_VISUAL = "0"
_EDGES = ("xmin", "ymin", "xmax", "ymax")
# "[/EN#283585/people A young boy]"; several types stand one after another.
_MARKED = re.compile(r"\[/EN#([^/\s\[\]]+)/([^/\s\[\]]+)(?:/[^/\s\[\]]+)*\s([^\[\]]*)\]")


class _Named(NamedTuple):
    """A phrase of a caption, with the id and the kind of what it names."""

    start: int
    stop: int
    identity: str
    kind: str


#: The boxes of each id of an image's annotation; an id may have none.
_Entities = dict[str, list[Box]]


def flickr30k_entities(sentences: Any, annotations: Any, images: Any, split: Any = None) -> Dataset:
    """Read Flickr30k Entities: captions whose phrases people have linked to boxes.

    Parameters
    ----------
    sentences
        Path of the folder ``Sentences``, with a text file for each image.
    annotations
        Path of the folder ``Annotations``, with an XML file for each image.
    images
        Path of the folder with the images of Flickr30k.
    split
        Path of a text file with one image id a line, such as ``test.txt``;
        all images when ``None``.

    Returns
    -------
    Dataset
        Named by image and sentence, such as ``"36979.jpg#0"``. A phrase's
        label is the first of its types: people, clothing, bodyparts, animals,
        vehicles, instruments, scene or other. Phrases that have no boxes
        (not visible, or the whole scene) are left out.

    Raises
    ------
    InputError
        When a folder or ``split`` cannot be read, or nothing in it can be used.

    Notes
    -----
    Plummer et al., "Flickr30k Entities: collecting region-to-phrase
    correspondences for richer image-to-sentence models", ICCV 2015.
    """
    log = ProblemLog()
    sentences_folder = as_folder(sentences, "sentences")
    annotations_folder = as_folder(annotations, "annotations")
    folder = ImageFolder(as_folder(images, "images"))
    if split is None:
        identities = sorted(path.stem for path in sentences_folder.glob("*.txt"))
    else:
        identities = _identities(split, sentences_folder, log)
    samples: list[Sample] = []
    for identity in identities:
        name = f"{identity}.jpg"
        with log.catching(name, ""):
            path = folder.find_inside(name)
            file = annotations_folder / f"{identity}.xml"
            entities = _entities(file, log)
            if entities is not None:
                text = sentences_folder / f"{identity}.txt"
                samples += _samples(text, name, path, entities, file.name, log)
    return finished("flickr30k_entities", samples, log, "sentences", sentences_folder.name)


def _identities(split: Any, sentences: Path, log: ProblemLog) -> list[str]:
    path, text = read_argument(split, "split")
    known = {file.stem for file in sentences.glob("*.txt")}
    identities: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        identity = line.strip().removesuffix(".jpg")
        if not identity:
            continue
        with log.catching(path.name, f"line {number}"):
            if identity in identities:
                raise UnusableError(f"the image id {quoted(identity)} is there twice")
            if identity not in known:
                raise UnusableError(f"there are no sentences for the image id {quoted(identity)}")
            identities[identity] = None
    return list(identities)


def _samples(
    file: Path, name: str, image: Path, entities: _Entities, annotated: str, log: ProblemLog
) -> Iterator[Sample]:
    try:
        text = read_text(file)
    except UnusableError as error:
        log.add(file.name, "", str(error))
        return
    for index, line in enumerate(text.split("\n")):
        if not line.strip():
            continue
        with log.catching(file.name, f"line {index + 1}"):
            caption, named = parse_sentence(as_text(line, "the sentence").strip())
            boxes = {}
            for start, stop, identity, kind in named:
                if identity == _NOT_VISUAL:
                    continue
                if identity not in entities:
                    message = f"{annotated} does not have the id {quoted(identity)}"
                    log.add(file.name, f"line {index + 1}", message)
                    continue
                boxes[start, stop, kind] = entities[identity]
            yield Sample(f"{name}#{index}", image, caption, phrases(boxes))


def parse_sentence(line: str) -> tuple[str, list[_Named]]:
    """Split a sentence into its text and its marked phrases.

    Returns
    -------
    tuple
        The caption, and its phrases; ``caption[start:stop]`` is a phrase's text.

    Raises
    ------
    UnusableError
        When brackets are left over, or a phrase has no text.
    """
    caption, position = "", 0
    named = []
    for match in _MARKED.finditer(line):
        caption += line[position : match.start()]
        position = match.end()
        identity, kind, words = match.groups()
        if not words.strip():
            raise UnusableError(f"the phrase with the id {quoted(identity)} has no text")
        start = len(caption) + len(words) - len(words.lstrip())
        caption += words
        named.append(_Named(start, len(caption.rstrip()), identity, kind))
    plain = caption + line[position:]
    if "[" in plain or "]" in plain:
        raise UnusableError("the markup is not balanced: a bracket is left over")
    return plain, named


def _entities(file: Path, log: ProblemLog) -> _Entities | None:
    """Return the boxes of an annotation file, ``None`` if it cannot be read."""
    handler = _Handler(file.name, log)
    try:
        content = file.read_bytes()
        xml.sax.parseString(content, handler)
    except OSError as error:
        log.add(file.name, "", f"cannot be opened ({error.strerror})")
    except xml.sax.SAXParseException as error:
        place = f"line {error.getLineNumber()}"
        log.add(file.name, place, f"is no XML ({error.getMessage()})")
    except (
        xml.sax.SAXException,
        ValueError,
        LookupError,
    ):  # unknown encodings, too
        log.add(file.name, "", "is no XML that can be read")
    else:
        return handler.entities()
    return None


class _Handler(ContentHandler):
    """Gathers the boxes of an annotation."""

    def __init__(self, file: str, log: ProblemLog):
        super().__init__()
        self._file, self._log = file, log
        self._locator: Locator | None = None
        self._text = ""
        self._names: list[str] = []
        self._size: dict[str, str] = {}
        self._size_line = 0
        self._box: dict[str, str] | None = None
        self._objects: list[tuple[int, list[str], list[dict[str, str]]]] = []

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802
        self._locator = locator

    def _now(self) -> int:
        return (self._locator.getLineNumber() if self._locator else None) or 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        self._text = ""
        if name == "object":
            self._objects.append((self._now(), [], []))
        elif name == "bndbox" and self._objects:
            self._objects[-1][2].append({})
        elif name == "size":
            self._size_line = self._now()

    def characters(self, content: str) -> None:
        self._text += content

    def endElement(self, name: str) -> None:  # noqa: N802
        text = self._text.strip()
        self._text = ""
        if name in ("width", "height"):
            self._size[name] = text
        elif name == "name" and self._objects:
            self._objects[-1][1].append(text)
        elif name in _EDGES and self._objects and self._objects[-1][2]:
            self._objects[-1][2][-1][name] = text

    def entities(self) -> _Entities | None:
        """Return the boxes as fractions, once the file is parsed."""
        place = f"line {self._size_line}" if self._size_line else ""
        with self._log.catching(self._file, place):
            sides = [as_side(_parsed(self._size.get(key)), key) for key in ("width", "height")]
            entities: _Entities = {}
            for line, names, boxes in self._objects:
                with self._log.catching(self._file, f"line {line}"):
                    if not any(names):
                        raise UnusableError("the object has no name")
                    for name in filter(None, names):
                        entities.setdefault(name, [])
                for edges in boxes:
                    with self._log.catching(self._file, f"line {line}"):
                        box = _box(edges, *sides)
                        for name in filter(None, names):
                            entities[name].append(box)
            return entities
        return None


def _box(edges: dict[str, str], width: float, height: float) -> Box:
    """Return a box as fractions; its pixels are counted from 1, the last among them."""
    left, top, right, bottom = (as_number(_parsed(edges.get(key)), key) for key in _EDGES)
    return as_box((left - 1, top - 1, right, bottom), width, height)


def _parsed(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
