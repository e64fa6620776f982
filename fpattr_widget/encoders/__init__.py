"""What a dual encoder is, and how each family is one."""

from .captions import CaptionLike, PreparedText
from .encoder import DualEncoder, Layer
from .family import Family, ImageTower, TextTower
from .last_block import AttentionPooling, MeanPooling, attention_pooling, mean_pooling
from .loading import ModelLike, encoder_of, load_encoder, shared_encoder
from .pictures import ImageLike, PreparedImage
from .plain import ProcessorLike
from .registry import register_family
from .tokens import Token, find_words
from .tower import Arrangement, Split, Tower

__all__ = [
    "Arrangement",
    "AttentionPooling",
    "CaptionLike",
    "DualEncoder",
    "Family",
    "ImageLike",
    "ImageTower",
    "Layer",
    "MeanPooling",
    "ModelLike",
    "PreparedImage",
    "PreparedText",
    "ProcessorLike",
    "Split",
    "TextTower",
    "Token",
    "Tower",
    "attention_pooling",
    "encoder_of",
    "find_words",
    "load_encoder",
    "mean_pooling",
    "register_family",
    "shared_encoder",
]
