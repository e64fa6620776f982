"""Rankings of many pictures or captions, and why two of them differ."""

from ._scores import scores_of
from ._search import nearest

__all__ = ["nearest", "scores_of"]
