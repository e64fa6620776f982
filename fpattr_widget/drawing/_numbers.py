"""Numbers as text: a real minus sign, a plus where the sign matters, two digits that count."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from math import floor, isnan, log10

_MINUS = "−"
_TINY = 1e-6


def signed(value: float) -> str:
    """Return ``+0.109``, ``−0.0021`` or ``0``: three decimals or more, two digits that count."""
    if isnan(value):
        return "–"
    size = abs(value)
    if size < _TINY:
        return "0"
    decimals = max(3, 1 - floor(log10(size)))
    return (_MINUS if value < 0 else "+") + _fixed(size, decimals)


def brief(value: float) -> str:
    """Return ``+0.167`` or ``−83.1``: at most six characters."""
    size = abs(value)
    if isnan(value):
        return "–"
    if size < 0.0005:
        return "0"
    decimals = 3 if size < 9.9995 else 1 if size < 999.95 else 0
    return (_MINUS if value < 0 else "+") + _fixed(size, decimals)


def is_nothing(value: float) -> bool:
    """Return whether a value would read ``0``."""
    return abs(value) < _TINY


def plain(value: float) -> str:
    """Return ``0.85`` or ``−0.03``: two decimals, no plus."""
    return fixed(value, 2)


def decimals_for(values: Iterable[float]) -> int:
    """Return how many decimals show two digits of the largest value: two to five."""
    largest = max((abs(value) for value in values if not isnan(value)), default=0.0)
    return 2 if largest < _TINY else min(max(2, 1 - floor(log10(largest))), 5)


def fixed(value: float, decimals: int) -> str:
    """Return ``0.85`` or ``−0.03``: so many decimals, no plus."""
    if isnan(value):
        return "–"
    text = _fixed(abs(value), decimals)
    return _MINUS + text if value < 0 and float(text) > 0 else text


def _fixed(size: float, decimals: int) -> str:
    """Return a positive number with so many decimals."""
    # Ties go up: so readers round by hand, and so does the page's `toFixed`.
    return f"{Decimal(size).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}"
