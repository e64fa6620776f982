"""The linked notebook view."""

from .widget import PairsWidget

__all__ = ["PairsWidget"]
