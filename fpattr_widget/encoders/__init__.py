"""What a dual encoder is, and how each family is one."""

from .encoder import DualEncoder, Layer, PreparedImage, PreparedText
from .loading import load_encoder, shared_encoder
from .tokens import Token
from .tower import Split, Tower

__all__ = [
    "DualEncoder",
    "Layer",
    "PreparedImage",
    "PreparedText",
    "Split",
    "Token",
    "Tower",
    "load_encoder",
    "shared_encoder",
]
