"""The linked notebook view, and the explorer around it."""

from .explaining import explain
from .explorer import Explorer, explore
from .settings import ViewOptions
from .widget import PairsWidget

__all__ = ["Explorer", "PairsWidget", "ViewOptions", "explain", "explore"]
