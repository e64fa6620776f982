"""The lazy matrix of pairs, and its file."""

from ._file import load_pairs
from ._pairs import About, FeaturePairs, Known, Ledger, MethodLike, Unchanged, attribute
from ._strip import without_picture

__all__ = [
    "About",
    "FeaturePairs",
    "Known",
    "Ledger",
    "MethodLike",
    "Unchanged",
    "attribute",
    "load_pairs",
    "without_picture",
]
