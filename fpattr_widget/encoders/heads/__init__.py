"""Models whose score is no product of their towers' outputs: one file a head, with its family."""

from .._family import Family
from ._late_interaction import LateInteractionHead
from ._llip_module import Llip, LlipSizes
from .blip2 import BLIP2
from .colmodernvbert import COLMODERNVBERT
from .colpali import COLPALI
from .colqwen2 import COLQWEN2
from .flair import FLAIR, FlairHead
from .llip import LLIP, LlipHead

#: Their families, in the order in which they are tried on a model, before all others.
HEADED_FAMILIES: tuple[Family, ...] = (
    LLIP,
    FLAIR,
    COLPALI,
    COLQWEN2,
    COLMODERNVBERT,
    BLIP2,
)

__all__ = [
    "HEADED_FAMILIES",
    "FlairHead",
    "LateInteractionHead",
    "Llip",
    "LlipHead",
    "LlipSizes",
]
