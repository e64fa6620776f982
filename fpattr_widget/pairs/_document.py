"""The JSON document in a file of pairs, with everything that is not an array."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any

from ..encoders import Crop, Sentence, Side, Token
from ..files import DamagedError, parse_json
from ..methods import Groups, Ledger, Recorded

#: The most characters of each text.
LONGEST_TEXT = 200_000

#: The largest count or index.
_MOST = 1 << 24


@dataclass(frozen=True)
class About:
    """How attributions were computed, in words for display."""

    model: str
    method: str
    layers: str


@dataclass(frozen=True)
class Contents:
    """Everything about pairs whose numbers are all computed.

    Attributes
    ----------
    rows, columns
        The two sides.
    about
        Model, method and layers, in words.
    recorded
        The numbers.
    """

    rows: Side
    columns: Side
    about: About
    recorded: Recorded

    @property
    def sentence(self) -> Sentence:
        """The caption, the only panel of the rows."""
        (panel,) = self.rows.panels
        assert isinstance(panel, Sentence)
        return panel

    @property
    def crop(self) -> Crop:
        """The picture, the only panel of the columns."""
        (panel,) = self.columns.panels
        assert isinstance(panel, Crop)
        return panel


@dataclass(frozen=True)
class Document:
    """The content of pairs without their arrays.

    Attributes
    ----------
    caption, tokens, grid, about, ledger
        Those of :class:`~fpattr_widget.FeaturePairs`.
    image_special
        Names of the image positions that are not patches.
    nodes
        How finely the pairs were measured, in words.
    """

    caption: str
    tokens: tuple[Token, ...]
    grid: tuple[int, int]
    image_special: tuple[str, ...]
    about: About
    ledger: Ledger
    nodes: str

    @property
    def version(self) -> int:
        """The oldest version of the format that can hold it: 2 if there are unknown tokens."""
        return 2 if any(token.unknown for token in self.tokens) else 1

    @property
    def features(self) -> int:
        """The number of image positions, special ones included."""
        return len(self.image_special) + self.grid[0] * self.grid[1]

    @property
    def words(self) -> int:
        """The number of words, each special position counted as one."""
        return len(word_groups(self.tokens))

    def dump(self) -> str:
        """Return JSON in ASCII, which is the same for equal documents."""
        parts = asdict(self)
        for token in parts["tokens"]:
            if not token["unknown"]:  # version 1 of the format has no such field
                del token["unknown"]
        return json.dumps(parts, separators=(",", ":"))


def word_groups(tokens: Sequence[Token]) -> Groups:
    """Return the token numbers of each word; a special position is a group of its own."""
    members: dict[object, list[int]] = {}
    for index, token in enumerate(tokens):
        key = ("special", index) if token.special else token.word
        members.setdefault(key, []).append(index)
    return tuple(map(tuple, members.values()))


def read_document(written: str) -> Document:
    """Return the document that an untrusted text holds.

    Raises
    ------
    DamagedError
        When a part is missing, unexpected, or not of the right kind.
    """
    parts = _parts(parse_json(written.encode("utf-8", "surrogatepass")), Document)
    caption = _text(parts["caption"])
    rows, columns = _list(parts["grid"], 2)
    return Document(
        caption,
        tuple(_token(token, caption) for token in _list(parts["tokens"])),
        (_count(rows, 1), _count(columns, 1)),
        tuple(_text(name) for name in _list(parts["image_special"])),
        About(**{name: _text(value) for name, value in _parts(parts["about"], About).items()}),
        Ledger(**{name: _number(part) for name, part in _parts(parts["ledger"], Ledger).items()}),
        _text(parts["nodes"]),
    )


def _parts(value: Any, kind: type) -> dict[str, Any]:
    """Return a JSON object that has exactly the fields of a dataclass."""
    names = {field.name for field in fields(kind)}
    if not isinstance(value, dict) or set(value) != names:
        raise DamagedError(f"its {kind.__name__.lower()} has missing or unknown fields")
    return value


def _token(value: Any, caption: str) -> Token:
    parts = _parts({"unknown": False, **value} if isinstance(value, dict) else value, Token)
    word, start, stop, special = (parts[key] for key in ("word", "start", "stop", "special"))
    unknown = parts["unknown"]
    if type(special) is not bool or type(unknown) is not bool or (start is None) != (stop is None):
        raise DamagedError("its tokens are not in order")
    if word is not None:
        _count(word, 0)
    if start is not None and _count(start, 0) > _count(stop, 0, len(caption)):
        raise DamagedError("its tokens are not in order")
    return Token(_text(parts["text"]), word, start, stop, special, unknown)


def _list(value: Any, count: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise DamagedError("its lists are not in order")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise DamagedError("its texts are none, or too long")
    # Lone surrogates cannot be encoded in a page or a message.
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise DamagedError("its texts hold halves of characters")
    return value


def _count(value: Any, least: int, most: int = _MOST) -> int:
    if type(value) is not int or not least <= value <= most:
        raise DamagedError("its counts are out of range")
    return value


def _number(value: Any) -> float:
    if type(value) is not float or not isfinite(value):
        raise DamagedError("its ledger holds what is no finite number")
    return value
