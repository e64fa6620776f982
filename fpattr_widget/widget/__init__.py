"""The linked notebook view, and the explorer around it."""

from ..view import ViewOptions
from ._accordion import accordion
from ._classification_view import ClassificationView, classify
from ._explaining import contrast, explain
from ._explorer import Explorer, explore
from ._gallery import Gallery
from ._gallery_items import GalleryItem, Shelf
from ._gallery_view import GalleryView
from ._pairs_widget import PairsWidget

__all__ = [
    "ClassificationView",
    "Explorer",
    "Gallery",
    "GalleryItem",
    "GalleryView",
    "PairsWidget",
    "Shelf",
    "ViewOptions",
    "accordion",
    "classify",
    "contrast",
    "explain",
    "explore",
]
