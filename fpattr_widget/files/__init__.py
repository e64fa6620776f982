"""Files written whole or not at all, the container of arrays, and tables."""

from ._arrays import Rows, open_arrays, write_arrays
from ._atomic import checked_ending, checked_path, writable, write_atomically, written_atomically
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
    "Rows",
    "Table",
    "alone",
    "checked_ending",
    "checked_path",
    "digest",
    "markdown_text",
    "no_formula",
    "open_arrays",
    "pack",
    "parse_json",
    "read_header",
    "read_tensors",
    "writable",
    "write_arrays",
    "write_atomically",
    "written_atomically",
]
