"""Models whose score is no product of their towers' outputs: one file a head, with its family."""

from .._family import Family
from ._llip_module import Llip, LlipSizes
from .flair import FLAIR, FlairHead
from .llip import LLIP, LlipHead

#: Their families, in the order in which they are tried on a model, before all others.
HEADED_FAMILIES: tuple[Family, ...] = (LLIP, FLAIR)

__all__ = [
    "HEADED_FAMILIES",
    "FlairHead",
    "Llip",
    "LlipHead",
    "LlipSizes",
]
