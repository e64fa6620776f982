"""The view's data and protocol, without Jupyter."""

from ._encoded import Encoded, encode, encode_within
from ._protocol import (
    PROTOCOL,
    DoneMessage,
    EditKind,
    FailureMessage,
    Hello,
    InterruptedMessage,
    LedgerMessage,
    LedgerState,
    Outgoing,
    ProgressMessage,
    RefusedMessage,
    RegionMessage,
    Result,
    RowsMessage,
    parse,
)
from ._settings import CHOICES, ViewOptions, check_settings
from ._state import computed_state, state_so_far, subject_state

__all__ = [
    "CHOICES",
    "PROTOCOL",
    "DoneMessage",
    "EditKind",
    "Encoded",
    "FailureMessage",
    "Hello",
    "InterruptedMessage",
    "LedgerMessage",
    "LedgerState",
    "Outgoing",
    "ProgressMessage",
    "RefusedMessage",
    "RegionMessage",
    "Result",
    "RowsMessage",
    "ViewOptions",
    "check_settings",
    "computed_state",
    "encode",
    "encode_within",
    "parse",
    "state_so_far",
    "subject_state",
]
