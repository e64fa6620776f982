"""What a dual encoder is, and how each family is one."""

from .encoder import DualEncoder, PreparedImage, PreparedText
from .loading import bundled_encoder, load_encoder
from .tokens import Token
from .tower import Split, Tower

__all__ = [
    "DualEncoder",
    "PreparedImage",
    "PreparedText",
    "Split",
    "Token",
    "Tower",
    "bundled_encoder",
    "load_encoder",
]
