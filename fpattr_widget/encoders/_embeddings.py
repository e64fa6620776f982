"""``Embeddings``: the vectors of many pictures or captions, and the file that holds them."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..checks import as_path
from ..errors import InputError, Problem
from ..files import DamagedError, ForeignError, Rows, open_arrays, parse_json, write_arrays
from ._identity import hash_of_image_processor, hash_of_tokenizer, hash_of_weights
from ._sources import KEY_SIZE, told_path

_FORMAT = "fpattr-widget embeddings 1"
# Rows that are looked at together.
_ROWS = 4096
# What messages call the parts of a fingerprint.
_PARTS = {
    "image_size": "was made at another image size",
    "weights": "holds embeddings of a model with other weights",
    "preprocessing": "was made with another preprocessing",
}


class Identified(Protocol):
    """What a fingerprint is made of; a ``DualEncoder`` is such a thing."""

    name: str
    model: Any
    processors: dict[str, Any]
    image_size: int | None


def fingerprint_of(encoder: Identified, tower_name: str) -> dict[str, str]:
    """Return hashes of all that decides about a tower's embeddings, by part.

    They are the same in another process, and when the model is loaded anew.
    """
    processor = encoder.processors.get(tower_name)
    parts = {"weights": hash_of_weights(encoder.model)}
    if tower_name == "image":
        parts["image_size"] = str(encoder.image_size or "the model's own")
        parts["preprocessing"] = hash_of_image_processor(processor)
    else:
        parts["preprocessing"] = hash_of_tokenizer(processor)
    return parts


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """Embeddings of many pictures or of many captions by one model.

    ``encoder.embed_image(pictures, store="pictures.npz")`` returns them, and
    :func:`load_embeddings` opens such a store again.

    Attributes
    ----------
    vectors
        ``(n, K)`` float32, of unit length; mapped into memory where they come from a store.
    names
        Of each picture its path, below the folder where a folder was embedded, or
        ``"image 3"`` where it has none; of each caption itself.
    sources
        What each was made from and can be explained by: a path, a caption, or a picture in
        memory; ``None`` where it is not known any more.
    tower_name
        ``"image"`` or ``"text"``.
    model
        The model's name.
    fingerprint
        Hashes of its weights and of what prepared the inputs.
    problems
        What could not be read and was left out.

    Raises
    ------
    InputError
        When there is not one vector for each name, or a number is NaN or infinite.
    """

    vectors: np.ndarray
    names: tuple[str, ...]
    sources: Sequence[Any]
    tower_name: str
    model: str
    fingerprint: Mapping[str, str]
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.names):
            raise InputError(
                "vectors",
                f"has the shape {self.vectors.shape} for {len(self.names)} names",
                "pass one row for each name",
            )
        if len(self.sources) != len(self.names):
            raise InputError(
                "sources", f"holds {len(self.sources)} for {len(self.names)} names", "pass as many"
            )
        row = _first_not_finite(self.vectors)
        if row is not None:
            raise InputError(
                "vectors",
                f"holds numbers that are not finite (first of {self.names[row]!r})",
                "embed again with a model whose weights are finite",
            )

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        left_out = f", {len(self.problems)} left out" if self.problems else ""
        count, width = self.vectors.shape
        return f"Embeddings({self.tower_name}, {count:,} × {width}, {self.model!r}{left_out})"

    def require_of(self, encoder: Identified, argument: str = "embeddings") -> None:
        """Raise ``InputError`` unless an encoder would give the same embeddings.

        Parameters
        ----------
        encoder
            The encoder that is to be used with them.
        argument
            The name by which the caller knows them, for the message.
        """
        require_same(self, fingerprint_of(encoder, self.tower_name), argument, encoder.name)


def require_same(
    embeddings: Embeddings, fingerprint: Mapping[str, str], argument: str, model: str
) -> None:
    """Raise ``InputError`` unless embeddings have a fingerprint."""
    for part, problem in _PARTS.items():
        if embeddings.fingerprint.get(part) != fingerprint.get(part):
            raise InputError(
                argument,
                f"{problem} ({embeddings.model!r}, not {model!r})",
                "pass the encoder that made it, or embed again into another file",
            )


@dataclass(frozen=True)
class Stored:
    """Embeddings in a file, and the keys by which the same call finds them again.

    Attributes
    ----------
    embeddings
        As a user gets them.
    keys
        One for each row; equal where the input is.
    """

    embeddings: Embeddings
    keys: tuple[bytes, ...]


def load_embeddings(path: str | os.PathLike[str]) -> Embeddings:
    """Open a store that ``embed_image`` or ``embed_text`` has written.

    Its vectors are mapped into memory, so that a store may be larger than the memory. All of it
    is read once, to see that it is whole and that its numbers are finite. It is an ``.npz``
    file: ``numpy.load(path)["vectors"]`` has the same numbers.

    :func:`fpattr_widget.retrieval.nearest` searches it. Where that takes too long, FAISS opens
    it by ``index = faiss.IndexFlatIP(e.vectors.shape[1]); index.add(e.vectors)``, or any other
    index in the place of the first.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Embeddings
        Pictures below the store's own folder are found where the folder is now.

    Raises
    ------
    InputError
        When there is no such file, it is no store, it is damaged, or it holds NaN.
    """
    return read_store(as_path(path, "path"), "path").embeddings


def read_store(path: Path, argument: str) -> Stored:
    """Open a store with its keys; see :func:`load_embeddings`."""
    remedy = "pass another file, or delete it and embed again"
    try:
        arrays = open_arrays(path)
        if not {"vectors", "about", "keys"} <= arrays.keys():
            raise ForeignError
        document = parse_json(arrays["about"].tobytes())
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise ForeignError
        return _stored(arrays["vectors"], arrays["keys"], document, path)
    except FileNotFoundError:
        raise InputError(argument, f"names no file ({path})", "check the path") from None
    except OSError as error:
        raise InputError(
            argument, f"names {path.name!r}, which cannot be read ({error.strerror})", remedy
        ) from error
    except ForeignError:
        raise InputError(
            argument, f"names {path.name!r}, which holds no embeddings", "pass another file"
        ) from None
    except (DamagedError, KeyError, TypeError, ValueError) as error:
        reason = error.problem if isinstance(error, InputError) else "is damaged"
        if isinstance(error, DamagedError):
            reason = f"is damaged ({error})"
        raise InputError(argument, f"names {path.name!r}, which {reason}", remedy) from error


def _stored(vectors: np.ndarray, keys: np.ndarray, document: dict[str, Any], path: Path) -> Stored:
    """Return what a store holds; raise KeyError, TypeError or ValueError where it is damaged."""
    names, sources = tuple(document["names"]), tuple(document["sources"])
    tower_name, model, fingerprint = (document[part] for part in ("tower", "model", "fingerprint"))
    texts = [tower_name, model, *names, *fingerprint.values()]
    if vectors.dtype != np.float32 or not all(isinstance(text, str) for text in texts):
        raise TypeError("values of other types")
    if keys.dtype != np.uint8 or keys.shape != (len(names), KEY_SIZE):
        raise ValueError("another number of keys")
    embeddings = Embeddings(
        vectors,
        names,
        sources if tower_name == "text" else _found(sources, path),
        tower_name,
        model,
        dict(fingerprint),
        tuple(Problem(*map(str, problem)) for problem in document["problems"]),
    )
    return Stored(embeddings, tuple(map(bytes, keys)))


@dataclass(frozen=True)
class Listing:
    """All that a store tells beside the vectors; attributes as in :class:`Embeddings`.

    Attributes
    ----------
    keys
        One for each row; see :class:`Stored`.
    """

    names: tuple[str, ...]
    sources: Sequence[str | None]
    keys: Sequence[bytes]
    tower_name: str
    model: str
    fingerprint: Mapping[str, str]
    problems: tuple[Problem, ...]


def write_store(path: Path, listing: Listing, vectors: Rows) -> None:
    """Write a store, wholly or not at all."""
    sources = listing.sources
    if listing.tower_name != "text":
        sources = [None if one is None else told_path(one, path.parent) for one in sources]
    document = {
        "format": _FORMAT,
        "tower": listing.tower_name,
        "model": listing.model,
        "fingerprint": dict(listing.fingerprint),
        "names": listing.names,
        "sources": tuple(sources),
        "problems": [[each.file, each.place, each.message] for each in listing.problems],
    }
    about = np.frombuffer(json.dumps(document).encode("ascii"), np.uint8)
    keys = np.frombuffer(b"".join(listing.keys), np.uint8).reshape(-1, KEY_SIZE)
    write_arrays(path, {"about": about, "keys": keys, "vectors": vectors})


def _found(told: Iterable[str | None], path: Path) -> tuple[str | None, ...]:
    """Return paths that a store tells, from where it lies now."""
    folder = os.path.abspath(path.parent)
    return tuple(None if one is None else os.path.join(folder, one) for one in told)


def _first_not_finite(vectors: np.ndarray) -> int | None:
    """Return the number of the first row that holds NaN or an infinite number, if there is one."""
    for start in range(0, len(vectors), _ROWS):
        finite = np.isfinite(vectors[start : start + _ROWS]).all(axis=1)
        if not finite.all():
            return start + int(np.argmin(finite))
    return None
