"""What is ranked and by what: many pictures or captions, and a query."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ..checks import quoted
from ..encoders import (
    DualEncoder,
    Embeddings,
    Item,
    Many,
    Picture,
    Prepared,
    Sum,
    Term,
    Text,
    names_picture,
)
from ..errors import InputError, Problem
from ..progress import checkpoint, is_heard, report
from ._scores import scores_of

_ARGUMENT = "images"
_NOUNS = {"image": "picture", "text": "caption"}
# Inputs that a head reads together, and how many have no progress bar.
_TOGETHER = 16
_NO_BAR = 64
# Rows of a store that are read at once.
_ROWS = 4096


def kind_of(values: Any) -> tuple[Any, str]:
    """Return what a user wants to have ranked so that it can be gone through, and its tower.

    Raises
    ------
    InputError
        When it is empty.
    """
    if isinstance(values, Embeddings):
        return values, values.tower_name
    if isinstance(values, str | os.PathLike) or not hasattr(values, "__iter__"):
        return values, "image"
    if isinstance(values, Iterator):
        values = list(values)
    first = next(iter(values), None)
    if first is None:
        raise InputError(_ARGUMENT, "is empty", "pass at least one picture or caption")
    tower_name = "image" if is_picture(first) else "text"
    if isinstance(first, Sum):
        values = [_only_value(value, tower_name) for value in values]
    return values, tower_name


@dataclass(frozen=True, eq=False)
class Items:
    """Pictures or captions with their names.

    Attributes
    ----------
    tower_name
        ``"image"`` or ``"text"``.
    names, sources
        Of each; see :class:`~fpattr_widget.Embeddings`.
    embeddings
        Theirs, if they have been embedded before.
    """

    tower_name: str
    names: Sequence[str]
    sources: Sequence[Any]
    embeddings: Embeddings | None = None


def items_of(values: Any) -> Items:
    """Return what a user wants to have ranked, all of it at hand; none is read.

    Raises
    ------
    InputError
        When there is none, or it is one input and not many.
    """
    listed, tower_name = kind_of(values)
    if isinstance(listed, Embeddings):
        return Items(tower_name, listed.names, listed.sources, listed)
    items = list(Many(listed, tower_name, _ARGUMENT))
    return Items(
        tower_name, [item.name for item in items], [item.path or item.value for item in items]
    )


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
    """Items that could be read, with their scores.

    Attributes
    ----------
    names, sources
        Of each; see :class:`~fpattr_widget.Embeddings`.
    scores
        ``(n,)`` float64.
    problems
        What could not be read.
    """

    names: Sequence[str]
    sources: Sequence[Any]
    scores: np.ndarray
    problems: tuple[Problem, ...]


def scored(
    encoder: DualEncoder,
    values: Any,
    tower_name: str,
    query: Sum,
    store: str | os.PathLike[str] | None,
) -> Scored:
    """Return the score of each item by a query: the weighted sum of the model's scores.

    Parameters
    ----------
    encoder
        The model.
    values, tower_name
        What is ranked, as :func:`kind_of` returns it.
    query
        Its inputs are prepared.
    store
        See ``DualEncoder.embed_image``.

    Raises
    ------
    InputError
        When nothing can be used, or embeddings are another model's.
    """
    if encoder.head is not None and any(term.tower_name != tower_name for term in query.terms):
        return _read_by_head(encoder, values, tower_name, query, store)
    vector = sum(
        term.weight * _embed(encoder, term.tower_name, [term.value])[0].astype(np.float64)
        for term in query.terms
    )
    if isinstance(values, Embeddings):
        embeddings = values
        embeddings.require_of(encoder, _ARGUMENT)
    elif store is None:
        embeddings = encoder.embed_readable(values, tower_name, _ARGUMENT)
    else:
        embeddings = _embed(encoder, tower_name, values, store)
    vectors = embeddings.vectors
    scores = [
        vectors[start : start + _ROWS].astype(np.float64) @ vector
        for start in range(0, len(vectors), _ROWS)
    ]
    return Scored(embeddings.names, embeddings.sources, np.concatenate(scores), embeddings.problems)


def _embed(encoder: DualEncoder, tower_name: str, values: Any, store: Any = None) -> Any:
    embed = encoder.embed_image if tower_name == "image" else encoder.embed_text
    return embed(values) if store is None else embed(values, store=store)


def _read_by_head(
    encoder: DualEncoder, values: Any, tower_name: str, query: Sum, store: Any
) -> Scored:
    """Return scores that a head makes, which reads each picture by each caption."""
    if isinstance(values, Embeddings) or store is not None:
        raise InputError(
            _ARGUMENT if store is None else "store",
            f"holds embeddings, but {encoder.name!r} reads an image by a caption",
            "pass the pictures themselves",
        )
    if any(term.tower_name == tower_name for term in query.terms):
        raise InputError(
            "query",
            f"has pictures and captions, but {encoder.name!r} reads one by the other",
            "pass one kind",
        )
    asked = [term.value for term in query.terms]
    weights = np.array([term.weight for term in query.terms])
    many = Many(values, tower_name, _ARGUMENT)
    found: dict[int, float] = {}
    names: list[str] = []
    known: list[Any] = []
    problems: list[Problem] = []

    def read(items: Sequence[Item]) -> None:
        """Score items, one by one where one of them cannot be used."""
        chunk = [item.value for item in items]
        try:
            if tower_name == "image":
                scores = scores_of(encoder, chunk, asked) @ weights
            else:
                scores = weights @ scores_of(encoder, asked, chunk)
        except InputError as error:
            if len(items) > 1:
                for item in items:
                    read([item])
            else:
                problems.append(Problem(items[0].name, "", error.problem))
            return
        found.update(zip((item.number for item in items), map(float, scores), strict=True))

    little = many.count is not None and many.count <= _NO_BAR
    with tqdm(
        total=many.count, desc="scoring", unit=tower_name, disable=little or is_heard(), delay=1
    ) as bar:
        arriving = iter(many)
        while items := list(islice(arriving, _TOGETHER)):
            checkpoint()
            report(f"scoring: {len(names):,}")
            names += [item.name for item in items]
            known += [item.path or (item.value if tower_name == "text" else None) for item in items]
            read(items)
            bar.update(len(items))
    numbers = sorted(found)
    if not numbers:
        raise InputError(
            _ARGUMENT,
            f"holds nothing that can be read (the first of {len(names)}: {problems[0]})",
            "pass some that can",
        )
    return Scored(
        [names[number] for number in numbers],
        many.sources([known[number] for number in numbers], numbers),
        np.array([found[number] for number in numbers]),
        tuple(problems),
    )


def _is_input(value: Any) -> bool:
    return isinstance(value, str | os.PathLike | Sum | Image.Image | bytes | np.ndarray)


def _only_value(value: Any, tower_name: str) -> Any:
    terms = value.terms if isinstance(value, Sum) else ()
    if len(terms) != 1 or terms[0].weight != 1 or terms[0].tower_name != tower_name:
        raise InputError("images", f"holds {quoted(value)}", f"pass one {_NOUNS[tower_name]} each")
    return terms[0].value
