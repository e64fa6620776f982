"""What travels between Python and the page; names and fields are those of ``protocol.ts``."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, TypedDict, Union, cast, get_args, get_origin, get_type_hints

#: Both ends have to speak the same one.
PROTOCOL = 5

About = dict[str, str]

#: What edits are called for Python's users; by side.
EditKind = Literal["caption", "image"]
EDIT_KINDS: tuple[EditKind, EditKind] = ("caption", "image")


# State


class TokenState(TypedDict):
    """One text token: the fields of :class:`~fpattr_widget.Token`.

    ``start`` and ``stop`` count code points of the text. ``unknown`` says that
    the tokenizer has no piece for it.
    """

    text: str
    word: int | None
    start: int | None
    stop: int | None
    special: bool
    unknown: bool


class PanelState(TypedDict):
    """A part of a side that is shown by itself.

    Its ``features`` are numbered from 0 on; those that are none of its units,
    such as BOS among words and CLS among patches, are ``special``. Its ``weight``
    is what its part is multiplied by in the sum that its side is.
    """

    features: int
    special: list[int]
    weight: float


class SentenceState(PanelState):
    """A text; its features are its tokens."""

    kind: Literal["sentence"]
    text: str
    tokens: list[TokenState]


class PictureState(PanelState):
    """A picture; its features are the special positions, called ``names``, and its patches."""

    kind: Literal["picture"]
    names: list[str]
    grid: list[int]
    data: bytes
    media_type: str


AnyPanel = SentenceState | PictureState


class FoldState(TypedDict):
    """Words of several sentences that stand in the same place."""

    name: str
    features: list[int]


class SideState(TypedDict):
    """One of the two sides that are compared: panels, whose features follow each other.

    Where the side is a sum of sentences that share their wording, ``folds`` are
    the words that stand for each other.
    """

    panels: list[AnyPanel]
    folds: list[FoldState]


class LedgerTermState(TypedDict):
    """What two parts of the sides add to a ledger: the fields of ``LedgerTerm``."""

    similarity: float
    pairs: float
    rows_only: float
    columns_only: float
    baseline: float
    residual: float
    left_out: float


class LedgerState(TypedDict):
    """The sum that shows that nothing was lost: the fields of ``Ledger``."""

    similarity: float
    pairs: float
    rows_only: float
    columns_only: float
    baseline: float
    residual: float
    unit_scale: float
    terms: list[LedgerTermState]
    match: float | None
    routing: float | None
    left_out: float
    left_out_name: str


class ReadOutState(TypedDict):
    """What a head read of an image for a text: the fields of ``ReadOut``, arrays as lists."""

    routes: list[str]
    places: list[str]
    grid: list[int] | None
    weights: list[list[float]]
    nowhere: list[float] | None
    contributions: list[list[float]]
    constant: float
    similarity: float
    products: list[list[float]] | None
    winners: list[str]
    compared: dict[str, float]


class HoveredState(TypedDict):
    """The features of each side that the pointer or the keyboard's cursor is on."""

    rows: list[int]
    columns: list[int]


# Both ways


class Hello(TypedDict):
    """The page starts anew and wants everything; Python answers with the same."""

    type: Literal["hello"]
    epoch: int
    protocol: int


# From the page


class FeaturesRequest(TypedDict):
    """Features of side 0 one by one and before all others, or the sum over features of side 1.

    ``part`` is one of the subject's parts, or empty for the pairs themselves. All rows of a part
    of which some were requested follow, also where the list is empty.
    """

    type: Literal["features"]
    epoch: int
    part: str
    side: int
    id: int
    features: list[int]


class TextEdit(TypedDict):
    """The user changed the text of a side."""

    type: Literal["text"]
    side: int
    text: str


class FileEdit(TypedDict):
    """The user chose a file for a side: its bytes are the message's one buffer."""

    type: Literal["file"]
    side: int


# To the page


class FeaturesMessage(TypedDict):
    """Values of features are the message's one buffer, little-endian float32.

    Side 0: those of each feature with all of side 1, in the order of
    ``features``. Side 1: those of each feature of side 0 with all of
    ``features`` together. ``part`` and ``id`` are those of the request, ``""`` and 0
    without one.
    """

    type: Literal["features"]
    epoch: int
    part: str
    side: int
    id: int
    features: list[int]


class LedgerMessage(TypedDict):
    """The ledger and what a head read, once both towers are measured."""

    type: Literal["ledger"]
    epoch: int
    ledger: LedgerState
    read_outs: list[ReadOutState]
    similarity: float
    about: About


class ProgressMessage(TypedDict):
    """What is being done, in a plain sentence, until the next one or the end of the work."""

    type: Literal["progress"]
    epoch: int
    message: str


class FailureMessage(TypedDict):
    """Why nothing more comes, and what to do."""

    type: Literal["failure"]
    epoch: int
    message: str


class InterruptedMessage(TypedDict):
    """The user stopped Python: what was computed stays, and nothing more comes unasked."""

    type: Literal["interrupted"]
    epoch: int


class DoneMessage(TypedDict):
    """There is nothing left to do."""

    type: Literal["done"]
    epoch: int


class RefusedMessage(TypedDict):
    """An edit of this side cannot be used; an empty message takes an earlier one back."""

    type: Literal["refused"]
    side: int
    message: str


Incoming = Hello | FeaturesRequest | TextEdit | FileEdit
#: What a worker sends.
Result = (
    FeaturesMessage
    | LedgerMessage
    | ProgressMessage
    | FailureMessage
    | InterruptedMessage
    | DoneMessage
)
Outgoing = Hello | Result | RefusedMessage

_FORMS: dict[str, type] = {
    get_args(get_type_hints(form)["type"])[0]: form for form in get_args(Incoming)
}


def parse(message: object) -> Incoming | None:
    """Return a message from the page if every field is there and of its kind, else ``None``."""
    if not isinstance(message, Mapping):
        return None
    kind = message.get("type")
    form = _FORMS.get(kind) if isinstance(kind, str) else None
    if form is None:
        return None
    fields = get_type_hints(form)
    if all(name in message and _fits(message[name], kind) for name, kind in fields.items()):
        return cast(Incoming, message)
    return None


def _fits(value: object, kind: Any) -> bool:
    origin = get_origin(kind)
    if origin is Literal:
        return value in get_args(kind)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, *get_args(kind)) for item in value)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(kind))
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
