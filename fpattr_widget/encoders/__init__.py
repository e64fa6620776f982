"""What a dual encoder is, and how each family is one."""

from .captions import PreparedText
from .encoder import DualEncoder, Layer
from .family import Family, ImageTower, TextTower
from .last_block import AttentionPooling, MeanPooling, attention_pooling, mean_pooling
from .loading import load_encoder, shared_encoder
from .pictures import PreparedImage
from .registry import register_family
from .tokens import Token
from .tower import Arrangement, Split, Tower

__all__ = [
    "Arrangement",
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
    "attention_pooling",
    "load_encoder",
    "mean_pooling",
    "register_family",
    "shared_encoder",
]
