"""The families of dual encoders that the package knows, one file each."""

from .._family import Family
from .align import ALIGN
from .altclip import ALTCLIP
from .blip import BLIP
from .chinese_clip import CHINESE_CLIP
from .clip import CLIP
from .flava import FLAVA
from .metaclip2 import METACLIP2
from .open_clip import OPEN_CLIP
from .openai_clip import OPENAI_CLIP
from .siglip import SIGLIP
from .siglip2 import SIGLIP2
from .vision_text_dual_encoder import VISION_TEXT_DUAL_ENCODER

#: In the order in which they are tried on a model.
FAMILIES: tuple[Family, ...] = (
    CLIP,
    METACLIP2,
    SIGLIP,
    SIGLIP2,
    ALIGN,
    ALTCLIP,
    CHINESE_CLIP,
    VISION_TEXT_DUAL_ENCODER,
    BLIP,
    FLAVA,
    OPENAI_CLIP,
    OPEN_CLIP,
)

__all__ = [
    "FAMILIES",
]
