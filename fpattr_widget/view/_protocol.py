"""What travels between Python and the page; names and fields are those of ``protocol.ts``."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, TypedDict, Union, cast, get_args, get_origin, get_type_hints

#: Both sides have to speak the same one.
PROTOCOL = 2

About = dict[str, str]
Theme = Literal["auto", "light", "dark"]
Scale = Literal["shared", "own"]
Signs = Literal["both", "for", "against"]
Level = Literal["words", "tokens"]
EditKind = Literal["caption", "image"]


# State


class TokenState(TypedDict):
    """One text token; ``start`` and ``stop`` count code points of the caption.

    ``unknown`` says that the tokenizer has no piece for it.
    """

    text: str
    word: int | None
    start: int | None
    stop: int | None
    special: bool
    unknown: bool


class LedgerState(TypedDict):
    """The sum that shows that nothing was lost."""

    similarity: float
    pairs: float
    caption_only: float
    image_only: float
    baseline: float
    residual: float


class HoveredState(TypedDict):
    """What the pointer or the keyboard's cursor is on."""

    tokens: list[int]
    patches: list[int]


# Both ways


class Hello(TypedDict):
    """The page starts anew and wants everything; Python answers with the same."""

    type: Literal["hello"]
    epoch: int
    protocol: int


# From the page


class RowsRequest(TypedDict):
    """These rows before all others."""

    type: Literal["rows"]
    epoch: int
    tokens: list[int]


class RegionRequest(TypedDict):
    """Each token's attribution to a region."""

    type: Literal["region"]
    epoch: int
    id: int
    patches: list[int]


class CaptionEdit(TypedDict):
    """The user changed the caption."""

    type: Literal["caption"]
    caption: str


class ImageEdit(TypedDict):
    """The user changed the image: the file's bytes are the message's one buffer."""

    type: Literal["image"]


# To the page


class RowsMessage(TypedDict):
    """Rows, in the order of ``tokens``, are the message's one buffer."""

    type: Literal["rows"]
    epoch: int
    tokens: list[int]


class LedgerMessage(TypedDict):
    """The ledger, once both towers are measured."""

    type: Literal["ledger"]
    epoch: int
    ledger: LedgerState
    similarity: float
    about: About


class RegionMessage(TypedDict):
    """The answer to a ``RegionRequest``: its values are the message's one buffer."""

    type: Literal["region"]
    epoch: int
    id: int


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
    """An edit of this kind cannot be used; an empty message takes an earlier one back."""

    type: Literal["refused"]
    kind: EditKind
    message: str


Incoming = Hello | RowsRequest | RegionRequest | CaptionEdit | ImageEdit
#: What a worker sends.
Result = (
    RowsMessage
    | LedgerMessage
    | RegionMessage
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
