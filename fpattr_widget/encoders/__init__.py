"""What a dual encoder is, and how each family is one."""

from .captions import PreparedText
from .encoder import DualEncoder, Layer
from .family import Family, ImageTower, TextTower
from .last_block import AttentionPooling, MeanPooling
from .loading import load_encoder, shared_encoder
from .pictures import PreparedImage
from .registry import register_family
from .tokens import Token
from .tower import Split, Tower

__all__ = [
    "AttentionPooling",
    "DualEncoder",
    "Family",
    "ImageTower",
    "Layer",
    "MeanPooling",
    "PreparedImage",
    "PreparedText",
    "Split",
    "TextTower",
    "Token",
    "Tower",
    "load_encoder",
    "register_family",
    "shared_encoder",
]
