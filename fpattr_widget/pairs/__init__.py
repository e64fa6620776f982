"""``FeaturePairs``, the lazy matrix of attributions to pairs of features, and its file format."""

from ..methods import Ledger, Recorded
from ._attribute import MethodLike, attribute
from ._classification import REST, Classification, classified
from ._document import About
from ._load import load_pairs, without_pictures
from ._pairs import FeaturePairs
from ._picture_cache import PictureCache
from ._table import is_caption_and_picture, table_columns, visible_features
from ._titles import title_of

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
    "is_caption_and_picture",
    "load_pairs",
    "table_columns",
    "title_of",
    "visible_features",
    "without_pictures",
]
