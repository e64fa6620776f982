"""Files written whole or not at all, the container of arrays, and tables."""

from ._atomic import checked_ending, checked_path, writable, write_atomically
from ._container import (
    LARGEST_TENSOR,
    LONGEST_HEADER,
    DamagedError,
    ForeignError,
    Header,
    digest,
    pack,
    parse_json,
    read_header,
    read_tensors,
)
from ._formulas import no_formula
from ._lock import alone
from ._table import Table, markdown_text

__all__ = [
    "LARGEST_TENSOR",
    "LONGEST_HEADER",
    "DamagedError",
    "ForeignError",
    "Header",
    "Table",
    "alone",
    "checked_ending",
    "checked_path",
    "digest",
    "markdown_text",
    "no_formula",
    "pack",
    "parse_json",
    "read_header",
    "read_tensors",
    "writable",
    "write_atomically",
]
