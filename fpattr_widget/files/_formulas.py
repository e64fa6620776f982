"""Foreign text in files that spreadsheets open."""

from typing import TypeVar

Cell = TypeVar("Cell")

# The first characters of formulas, and those that spreadsheets skip before them.
_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")


def no_formula(cell: Cell) -> Cell | str:
    """Return a cell; put an apostrophe before text that a spreadsheet would take for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_BEGINNINGS) else cell
