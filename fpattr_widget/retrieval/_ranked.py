"""What is ranked and by what: many pictures or captions, and a query."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ..checks import as_folder, quoted
from ..encoders import (
    DualEncoder,
    Embeddings,
    Picture,
    Prepared,
    Sum,
    Term,
    Text,
    names_picture,
)
from ..errors import InputError, Problem
from ..progress import checkpoint, report
from ._scores import scores_of

# Inputs that are prepared and embedded together; their pixels are in memory until they are.
_TOGETHER = 64
_NOUNS = {"image": "picture", "text": "caption"}


@dataclass(frozen=True, eq=False)
class Items:
    """Pictures or captions to be ranked.

    Attributes
    ----------
    tower_name
        ``"image"`` or ``"text"``.
    names
        One for each.
    sources
        One for each: what it can be explained by, ``None`` where that is not known any more.
    embeddings
        Theirs, if they have been embedded before.
    """

    tower_name: str
    names: Sequence[str]
    sources: Sequence[Any]
    embeddings: Embeddings | None = None

    @property
    def noun(self) -> str:
        """What one of them is called."""
        return _NOUNS[self.tower_name]


def items_of(values: Any) -> Items:
    """Return what a user wants to have ranked.

    Raises
    ------
    InputError
        When it holds nothing, or is nothing that can be ranked.
    """
    if isinstance(values, Embeddings):
        return Items(values.tower_name, values.names, values.sources, values)
    if isinstance(values, str | os.PathLike):
        return _in_folder(values)
    if _is_one(values):
        kind = type(values).__name__
        raise InputError("images", f"is a {kind}", "pass a folder, a list, or embeddings")
    listed: Any = values if isinstance(values, Sequence | np.ndarray) else list(values)
    if not len(listed):
        raise InputError("images", "is empty", "pass at least one picture or caption")
    first = listed[0]
    tower_name = "image" if is_picture(first) else "text"
    if isinstance(first, Sum):
        listed = [_only_value(value, tower_name) for value in listed]
    if isinstance(listed, list | tuple) or isinstance(first, str):
        names = [_name(value, number, tower_name) for number, value in enumerate(listed, start=1)]
    else:  # a column of pictures, say, of which each would be read
        names = [_name(None, number, tower_name) for number in range(1, len(listed) + 1)]
    return Items(tower_name, names, listed)


def query_of(value: Any) -> Sum:
    """Return a query as a sum, a bare value as a picture or a caption.

    Raises
    ------
    InputError
        When it is a list.
    """
    if isinstance(value, Sum):
        return value
    if isinstance(value, list | tuple) and any(map(_is_input, value)):
        raise InputError(
            "query", f"is a list of {len(value)}", "rank once for each, or pass a sum of them"
        )
    return Picture(value) if is_picture(value) else Text(value)


def is_picture(value: Any) -> bool:
    """Return whether a value is a picture rather than a caption.

    A string is a picture if it names a file, or ends as the names of pictures do.
    """
    if isinstance(value, Sum):
        return all(term.tower_name == "image" for term in value.terms)
    if isinstance(value, Prepared):
        return value.tower_name == "image"
    if isinstance(value, str):
        return names_picture(value) or ("\0" not in value and os.path.isfile(value))
    if isinstance(value, Mapping):  # what a processor or a tokenizer returned
        return "input_ids" not in value
    are_ids = str(getattr(value, "dtype", "")).endswith(("int32", "int64"))
    return not (are_ids or isinstance(value, list | tuple))


def prepared(encoder: DualEncoder, query: Sum) -> Sum:
    """Return a query with its inputs prepared, so that a picture is read once.

    Raises
    ------
    InputError
        When the model cannot take one of them.
    """
    try:
        return Sum(
            [
                Term(term.tower_name, encoder.prepare(term.value, term.tower_name), term.weight)
                for term in query.terms
            ]
        )
    except InputError as error:
        raise error.renamed("query") from error


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of those items that could be read.

    Attributes
    ----------
    numbers
        Which items they are, ``(n,)`` int64, ascending.
    scores
        ``(n,)`` float64.
    problems
        What could not be read.
    """

    numbers: np.ndarray
    scores: np.ndarray
    problems: tuple[Problem, ...]


def scored(encoder: DualEncoder, items: Items, query: Sum, *, progress: bool) -> Scored:
    """Return the score of each item by a query: the weighted sum of the model's scores.

    Parameters
    ----------
    encoder
        The model.
    items
        What is ranked; what cannot be read is told and left out.
    query
        Its inputs are prepared.
    progress
        Whether to show a progress bar where there are many.

    Raises
    ------
    InputError
        When none can be read, or embeddings are another model's.
    """
    score = _Score(encoder, items.tower_name, query)
    if items.embeddings is not None:
        items.embeddings.require_of(encoder, "images")
        scores = score.of_vectors(items.embeddings.vectors)
        return Scored(np.arange(len(scores)), scores, items.embeddings.problems)
    numbers: list[int] = []
    found: list[np.ndarray] = []
    problems: list[Problem] = []
    count = len(items.sources)
    with tqdm(
        total=count, desc="scoring", unit=items.noun, leave=False,
        disable=not progress or count <= _TOGETHER,
    ) as bar:  # fmt: skip
        for start in range(0, count, _TOGETHER):
            checkpoint()
            report(f"scoring: {start} of {count}")
            chunk = range(start, min(start + _TOGETHER, count))
            readable = dict(_readable(encoder, items, chunk, problems))
            if readable:
                numbers += readable
                found.append(score.of(list(readable.values())))
            bar.update(len(chunk))
    if not numbers:
        raise InputError(
            "images",
            f"holds no {items.noun} that can be used (the first: {problems[0]})",
            f"pass {items.noun}s that can",
        )
    return Scored(np.array(numbers), np.concatenate(found), tuple(problems))


def _readable(
    encoder: DualEncoder, items: Items, numbers: Iterable[int], problems: list[Problem]
) -> Iterator[tuple[int, Prepared]]:
    """Yield those items that can be read; note why the others cannot."""
    for number in numbers:
        try:
            yield number, encoder.prepare(items.sources[number], items.tower_name)
        except InputError as error:
            problems.append(Problem(items.names[number], "", error.problem))


class _Score:
    """The score of items by a query: embeddings of the query are computed once."""

    def __init__(self, encoder: DualEncoder, tower_name: str, query: Sum):
        self._encoder = encoder
        self._tower_name = tower_name
        # A head reads pictures by captions; two inputs of one kind it embeds.
        by_head = encoder.head is not None
        self._read = [term for term in query.terms if by_head and term.tower_name != tower_name]
        embedded = [term for term in query.terms if term not in self._read]
        self._vector = sum(
            (term.weight * self._embed([term.value], term.tower_name)[0] for term in embedded),
            start=np.zeros(()),
        )

    def of(self, inputs: Sequence[Prepared]) -> np.ndarray:
        """Return the scores of prepared inputs, ``(n,)``."""
        total = np.zeros(len(inputs))
        if self._vector.ndim:
            total += self._embed(inputs, self._tower_name) @ self._vector
        for term in self._read:
            if self._tower_name == "image":
                scores = scores_of(self._encoder, inputs, [term.value])[:, 0]
            else:
                scores = scores_of(self._encoder, [term.value], inputs)[0]
            total += term.weight * scores
        return total

    def of_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Return the scores of embeddings ``(n, K)``, ``(n,)``."""
        if self._read:
            raise InputError(
                "images",
                f"holds embeddings, but {self._encoder.name!r} reads an image by a caption",
                "pass the pictures themselves",
            )
        chunks = range(0, len(vectors), _TOGETHER**2)
        return np.concatenate(
            [vectors[start : start + _TOGETHER**2].astype(np.float64) @ self._vector
             for start in chunks]
        )  # fmt: skip

    def _embed(self, values: Sequence[Any], tower_name: str) -> np.ndarray:
        is_image = tower_name == "image"
        embed = self._encoder.embed_image if is_image else self._encoder.embed_text
        return embed(values).astype(np.float64)


def _in_folder(place: str | os.PathLike[str]) -> Items:
    folder = as_folder(place, "images")
    # Links to folders are not followed: they may lead back.
    paths = sorted(
        Path(root) / name
        for root, _, files in os.walk(folder)
        for name in files
        if names_picture(name) and not name.startswith(".")
    )
    if not paths:
        raise InputError("images", f"is a folder without pictures ({folder})", "pass another one")
    names = [path.relative_to(folder).as_posix() for path in paths]
    return Items("image", names, paths)


def _is_one(values: Any) -> bool:
    """Return whether a value is one input, or nothing that holds some."""
    if isinstance(values, np.ndarray):
        return values.dtype.kind not in "OUS" and values.ndim != 4
    single = isinstance(values, Sum | Image.Image | bytes | Mapping | Prepared)
    return single or not isinstance(values, Iterable)


def _is_input(value: Any) -> bool:
    return isinstance(value, str | os.PathLike | Sum | Image.Image | bytes | np.ndarray)


def _only_value(value: Any, tower_name: str) -> Any:
    terms = value.terms if isinstance(value, Sum) else ()
    if len(terms) != 1 or terms[0].weight != 1 or terms[0].tower_name != tower_name:
        raise InputError("images", f"holds {quoted(value)}", f"pass one {_NOUNS[tower_name]} each")
    return terms[0].value


def _name(value: Any, number: int, tower_name: str) -> str:
    if isinstance(value, str | os.PathLike) and os.fspath(value).strip():
        return os.fspath(value)
    return f"{'image' if tower_name == 'image' else 'caption'} {number}"
