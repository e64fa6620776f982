"""The view's data and protocol, without Jupyter."""

from ._encoded import Encoded, encode, encode_within
from ._pins import carried_pins
from ._protocol import (
    EDIT_KINDS,
    PROTOCOL,
    DoneMessage,
    EditKind,
    FailureMessage,
    FeaturesMessage,
    Hello,
    InterruptedMessage,
    LedgerMessage,
    Outgoing,
    ProgressMessage,
    RefusedMessage,
    Result,
    parse,
)
from ._settings import (
    CHOICES,
    SETTINGS,
    STANDALONE_SETTINGS,
    ViewOptions,
    ViewSettings,
    check_switch,
)
from ._state import computed_state, ledger_state, pictures_of, state_so_far, subject_state

__all__ = [
    "CHOICES",
    "EDIT_KINDS",
    "PROTOCOL",
    "SETTINGS",
    "STANDALONE_SETTINGS",
    "DoneMessage",
    "EditKind",
    "Encoded",
    "FailureMessage",
    "FeaturesMessage",
    "Hello",
    "InterruptedMessage",
    "LedgerMessage",
    "Outgoing",
    "ProgressMessage",
    "RefusedMessage",
    "Result",
    "ViewOptions",
    "ViewSettings",
    "carried_pins",
    "check_switch",
    "computed_state",
    "encode",
    "encode_within",
    "ledger_state",
    "parse",
    "pictures_of",
    "state_so_far",
    "subject_state",
]
