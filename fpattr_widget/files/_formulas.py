"""Text that others open in a spreadsheet."""

from typing import TypeVar

T = TypeVar("T")

# How a formula begins, or what a spreadsheet drops before it looks.
_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")


def no_formula(cell: T) -> T | str:
    """Return a cell of a table; text that would be taken for a formula after an apostrophe."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_BEGINNINGS) else cell
