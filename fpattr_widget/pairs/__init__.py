"""The lazy matrix of pairs of two sides, and its file."""

from ..methods import Ledger, Recorded
from ._attribute import MethodLike, attribute
from ._document import About
from ._load import load_pairs, without_picture
from ._pairs import FeaturePairs
from ._picture_cache import PictureCache
from ._table import table_columns

__all__ = [
    "About",
    "FeaturePairs",
    "Ledger",
    "MethodLike",
    "PictureCache",
    "Recorded",
    "attribute",
    "load_pairs",
    "table_columns",
    "without_picture",
]
