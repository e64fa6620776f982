"""``FeaturePairs``, the lazy matrix of attributions to pairs of features, and its file format."""

from ..methods import Ledger, Recorded
from ._attribute import MethodLike, attribute
from ._classification import REST, Classification, classified
from ._document import About
from ._load import load_pairs, without_picture
from ._pairs import FeaturePairs
from ._picture_cache import PictureCache
from ._table import table_columns

__all__ = [
    "REST",
    "About",
    "Classification",
    "FeaturePairs",
    "Ledger",
    "MethodLike",
    "PictureCache",
    "Recorded",
    "attribute",
    "classified",
    "load_pairs",
    "table_columns",
    "without_picture",
]
