"""The lazy matrix of pairs, and its file."""

from ._file import load_pairs
from ._pairs import About, FeaturePairs, Known, Ledger, MethodLike, Unchanged, attribute
from ._picture_cache import PictureCache
from ._strip import without_picture
from ._table import table_columns

__all__ = [
    "About",
    "FeaturePairs",
    "Known",
    "Ledger",
    "MethodLike",
    "PictureCache",
    "Unchanged",
    "attribute",
    "load_pairs",
    "table_columns",
    "without_picture",
]
