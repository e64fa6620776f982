"""The JSON document in a file of pairs, with everything that is not an array."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any

from PIL import Image

from ..encoders import MOST_PARTS, Crop, Panel, Sentence, Side, Token
from ..files import DamagedError, parse_json
from ..methods import UNITS, Ledger, LedgerTerm, Recorded
from ._read_out_form import ARRAYS, ReadOutForm

# The most characters of each text.
_LONGEST_TEXT = 200_000

# The largest count or index.
_MOST = 1 << 24
# The most features of a side: 128 pictures of 90 × 90 patches have fewer.
_MOST_FEATURES = 1 << 20
_NO_PICTURE = Image.new("L", (1, 1))


@dataclass(frozen=True)
class About:
    """How attributions were computed, in words for display; ``unit`` is one of ``UNITS``."""

    model: str
    method: str
    layers: str
    unit: str = "cosine"


@dataclass(frozen=True)
class Contents:
    """Everything about pairs whose numbers are all computed.

    Attributes
    ----------
    rows, columns
        The two sides.
    about
        Model, method, layers and unit, in words.
    recorded
        The numbers.
    """

    rows: Side
    columns: Side
    about: About
    recorded: Recorded

    @property
    def crops(self) -> tuple[Crop, ...]:
        """The pictures of both sides, those of the rows first."""
        panels = (*self.rows.panels, *self.columns.panels)
        return tuple(panel for panel in panels if isinstance(panel, Crop))

    def with_pictures(self, pictures: Sequence[Image.Image]) -> "Contents":
        """Return the same with other pictures, in the order of ``crops``."""
        replacements = iter(pictures)
        rows, columns = (
            replace(
                side,
                panels=tuple(
                    replace(panel, picture=next(replacements)) if isinstance(panel, Crop) else panel
                    for panel in side.panels
                ),
            )
            for side in (self.rows, self.columns)
        )
        return replace(self, rows=rows, columns=columns)


@dataclass(frozen=True)
class Document:
    """The content of pairs without their arrays.

    Attributes
    ----------
    rows, columns
        The two sides. Their pictures are empty: a file has them as arrays.
    about, ledger
        Those of :class:`~fpattr_widget.FeaturePairs`.
    nodes
        How finely the pairs were measured, in words.
    read_outs
        Those of :class:`~fpattr_widget.FeaturePairs`, without their arrays.
    """

    rows: Side
    columns: Side
    about: About
    ledger: Ledger
    nodes: str
    read_outs: tuple[ReadOutForm, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """The number of row features and of column features."""
        return len(self.rows.features), len(self.columns.features)

    @property
    def words(self) -> tuple[int, int]:
        """The number of words of each side, every other feature counted as one."""
        return len(self.rows.words), len(self.columns.words)

    @property
    def pictures(self) -> int:
        """The number of pictures."""
        panels = (*self.rows.panels, *self.columns.panels)
        return sum(isinstance(panel, Crop) for panel in panels)

    def dump(self) -> str:
        """Return JSON in ASCII, which is the same for equal documents.

        Raises
        ------
        DamagedError
            When a panel is neither a caption nor a picture.
        """
        parts = {
            "rows": _dumped(self.rows),
            "columns": _dumped(self.columns),
            "about": asdict(self.about),
            "ledger": asdict(self.ledger),
            "nodes": self.nodes,
            "read_outs": [asdict(form) for form in self.read_outs],
        }
        return json.dumps(parts, separators=(",", ":"))


def _dumped(side: Side) -> list[dict[str, Any]]:
    return [
        {"weight": float(weight), **_dumped_panel(panel)}
        for panel, weight in zip(side.panels, side.weights, strict=True)
    ]


def _dumped_panel(panel: Panel) -> dict[str, Any]:
    if isinstance(panel, Sentence):
        tokens = [asdict(token) for token in panel.tokens]
        return {"kind": panel.kind, "caption": panel.caption, "tokens": tokens}
    if isinstance(panel, Crop):
        grid = [int(count) for count in panel.grid]
        return {"kind": panel.kind, "grid": grid, "special": list(panel.special)}
    raise DamagedError(f"a {panel.kind} has no form in a file")


def read_document(written: str, version: int) -> Document:
    """Return the document that an untrusted text holds.

    Parameters
    ----------
    written
        The text.
    version
        Of the file. Versions 1 and 2 had one caption and one image; version 3 knew no scores
        that a head makes.

    Raises
    ------
    DamagedError
        When a part is missing, unexpected, or not of the right kind.
    """
    value = parse_json(written.encode("utf-8", "surrogatepass"))
    if version < 3:
        value = _of_sides(value)
    if version < 4:
        value = _of_heads(value)
    parts = _parts(value, Document, "document")
    rows, columns = _side(parts["rows"]), _side(parts["columns"])
    return Document(
        rows,
        columns,
        _about(parts["about"]),
        _ledger(parts["ledger"], len(rows.panels), len(columns.panels)),
        _text(parts["nodes"]),
        _read_outs(parts["read_outs"], len(rows.panels) * len(columns.panels)),
    )


def _of_heads(value: Any) -> dict[str, Any]:
    """Return a document of version 3 in the form of version 4."""
    old = _with_names(value, {"rows", "columns", "about", "ledger", "nodes"}, "document")
    sums = {"similarity", "pairs", "rows_only", "columns_only", "baseline", "residual"}
    ledger = _with_names(old["ledger"], {*sums, "unit_scale", "terms"}, "ledger")
    terms = [
        {**_with_names(term, sums, "ledger"), "left_out": 0.0} for term in _list(ledger["terms"])
    ]
    of_heads = {"left_out": 0.0, "left_out_name": "", "match": None, "routing": None}
    return {**old, "ledger": {**ledger, **of_heads, "terms": terms}, "read_outs": []}


def _of_sides(value: Any) -> dict[str, Any]:
    """Return a document of version 1 or 2 in the form of version 3."""
    names = {"caption", "tokens", "grid", "image_special", "about", "ledger", "nodes"}
    old = _with_names(value, names, "document")
    # Only tokens that the tokenizer did not know said so.
    tokens = [
        {"unknown": False, **token} if isinstance(token, dict) else token
        for token in _list(old["tokens"])
    ]
    about = _with_names(old["about"], {"model", "method", "layers"}, "about")
    ledger = _with_names(
        old["ledger"],
        {"similarity", "pairs", "caption_only", "image_only", "baseline", "residual"},
        "ledger",
    )
    names_now = {"caption_only": "rows_only", "image_only": "columns_only"}
    caption = {"kind": "sentence", "weight": 1.0, "caption": old["caption"], "tokens": tokens}
    picture = {
        "kind": "picture", "weight": 1.0, "grid": old["grid"], "special": old["image_special"]
    }  # fmt: skip
    return {
        "rows": [caption],
        "columns": [picture],
        "about": {**about, "unit": "cosine"},
        "ledger": {
            **{names_now.get(name, name): number for name, number in ledger.items()},
            "unit_scale": 1.0,
            "terms": [],
        },
        "nodes": old["nodes"],
    }


def _parts(value: Any, kind: type, what: str) -> dict[str, Any]:
    """Return a JSON object that has exactly the fields of a dataclass."""
    return _with_names(value, {field.name for field in fields(kind)}, what)


def _with_names(value: Any, names: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        verb = "have" if what.endswith("s") else "has"
        raise DamagedError(f"its {what} {verb} missing or unknown fields")
    return value


def _about(value: Any) -> About:
    parts = _parts(value, About, "about")
    about = About(**{name: _text(part) for name, part in parts.items()})
    if about.unit not in UNITS:
        raise DamagedError("its unit is unknown")
    return about


def _ledger(value: Any, row_parts: int, column_parts: int) -> Ledger:
    parts = _parts(value, Ledger, "ledger")
    terms = tuple(
        LedgerTerm(**_numbers(_parts(term, LedgerTerm, "ledger"))) for term in _list(parts["terms"])
    )
    expected = row_parts * column_parts
    if terms and (len(terms) != expected or expected == 1):
        raise DamagedError("its ledger has terms of other inputs")
    name = _text(parts["left_out_name"])
    absent = [part for part in ("match", "routing") if parts[part] is None]
    if len(absent) == 1:
        raise DamagedError("its ledger has one of two parts")
    others = {"terms", "left_out_name", *absent}
    numbers = _numbers({key: part for key, part in parts.items() if key not in others})
    if numbers["unit_scale"] <= 0:
        raise DamagedError("its ledger has a scale that is not positive")
    return Ledger(**numbers, left_out_name=name, terms=terms)


def _read_outs(value: Any, expected: int) -> tuple[ReadOutForm, ...]:
    forms = tuple(map(_read_out, _list(value)))
    if len(forms) not in (0, expected):
        raise DamagedError("its read-outs are of other inputs")
    return forms


def _read_out(value: Any) -> ReadOutForm:
    parts = _parts(value, ReadOutForm, "read-outs")
    routes, places, winners, arrays = (
        tuple(map(_text, _list(parts[name]))) for name in ("routes", "places", "winners", "arrays")
    )
    grid = None if parts["grid"] is None else _list(parts["grid"], 2)
    if not isinstance(parts["compared"], dict) or len(set(arrays)) < len(arrays):
        raise DamagedError("its read-outs are not in order")
    if not {"weights", "contributions"} <= set(arrays) <= set(ARRAYS):
        raise DamagedError("its read-outs are not in order")
    return ReadOutForm(
        routes,
        places,
        None if grid is None else (_count(grid[0], 1), _count(grid[1], 1)),
        _number(parts["constant"], "read-outs"),
        _number(parts["similarity"], "read-outs"),
        {_text(name): _number(one, "read-outs") for name, one in parts["compared"].items()},
        winners,
        arrays,
    )


def _numbers(parts: dict[str, Any]) -> dict[str, float]:
    return {name: _number(part, "ledger") for name, part in parts.items()}


def _side(value: Any) -> Side:
    listed = _list(value)
    if not 0 < len(listed) <= MOST_PARTS:
        raise DamagedError("its sides have no inputs, or too many")
    panels, weights = zip(*map(_weighted_panel, listed), strict=True)
    # Counted before they are listed: a grid of a few digits may have trillions.
    if sum(map(_feature_count, panels)) > _MOST_FEATURES:
        raise DamagedError("its sides have too many features")
    return Side(panels, weights)


def _feature_count(panel: Sentence | Crop) -> int:
    if isinstance(panel, Sentence):
        return len(panel.tokens)
    return len(panel.special) + panel.grid[0] * panel.grid[1]


def _weighted_panel(value: Any) -> tuple[Sentence | Crop, float]:
    """Return one input of a side, and its weight."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == Sentence.kind:
        parts = _with_names(value, {"kind", "weight", "caption", "tokens"}, "caption")
        caption = _text(parts["caption"])
        tokens = tuple(_token(token, caption) for token in _list(parts["tokens"]))
        if not tokens:
            raise DamagedError("it has no tokens")
        panel: Sentence | Crop = Sentence(caption, tokens)
    elif kind == Crop.kind:
        parts = _with_names(value, {"kind", "weight", "grid", "special"}, "picture")
        rows, columns = _list(parts["grid"], 2)
        special = tuple(_text(name) for name in _list(parts["special"]))
        panel = Crop(_NO_PICTURE, (_count(rows, 1), _count(columns, 1)), special)
    else:
        raise DamagedError("its inputs are of unknown kinds")
    return panel, _number(parts["weight"], "weights")


def _token(value: Any, caption: str) -> Token:
    parts = _parts(value, Token, "tokens")
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
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise DamagedError("its texts are none, or too long")
    # Lone surrogates cannot be encoded in a page or a message.
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise DamagedError("its texts hold halves of characters")
    return value


def _count(value: Any, least: int, most: int = _MOST) -> int:
    if type(value) is not int or not least <= value <= most:
        raise DamagedError("its counts are out of range")
    return value


def _number(value: Any, where: str) -> float:
    if type(value) is not float or not isfinite(value):
        raise DamagedError(f"its {where} hold what is no finite number")
    return value
