"""The linked notebook view, and the explorer around it."""

from .explorer import Explorer, explore
from .widget import PairsWidget

__all__ = ["Explorer", "PairsWidget", "explore"]
