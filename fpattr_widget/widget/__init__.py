"""The linked notebook view, and the explorer around it."""

from ..view import ViewOptions
from ._explaining import explain
from ._explorer import Explorer, explore
from ._pairs_widget import PairsWidget

__all__ = [
    "Explorer",
    "PairsWidget",
    "ViewOptions",
    "explain",
    "explore",
]
