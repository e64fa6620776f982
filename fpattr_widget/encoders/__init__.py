"""What a dual encoder is, and how each family is one."""

from ._adapters import ProcessorLike
from ._encoder import DualEncoder, Layer, Recipe
from ._family import Family, ImageTower, TextTower
from ._graphs import Kept
from ._image_files import open_image, read_image, run_processor
from ._image_inputs import ImageLike, PreparedImage, check_image_reference
from ._last_block import (
    NODE,
    AttentionPooling,
    Inputs,
    MeanPooling,
    agree,
    attention_pooling,
    mean_pooling,
    witness,
)
from ._loading import EncoderRecipe, ModelLike, encoder_of, is_loaded, load_encoder, shared_encoder
from ._names import shared_name
from ._registry import register_family
from ._text_inputs import CaptionLike, PreparedText, check_text_reference, content
from ._tokens import Token, find_words
from ._tower import Arrangement, Split, Tower, repeat_inputs

__all__ = [
    "NODE",
    "Arrangement",
    "AttentionPooling",
    "CaptionLike",
    "DualEncoder",
    "EncoderRecipe",
    "Family",
    "ImageLike",
    "ImageTower",
    "Inputs",
    "Kept",
    "Layer",
    "MeanPooling",
    "ModelLike",
    "PreparedImage",
    "PreparedText",
    "ProcessorLike",
    "Recipe",
    "Split",
    "TextTower",
    "Token",
    "Tower",
    "agree",
    "attention_pooling",
    "check_image_reference",
    "check_text_reference",
    "content",
    "encoder_of",
    "find_words",
    "is_loaded",
    "load_encoder",
    "mean_pooling",
    "open_image",
    "read_image",
    "register_family",
    "repeat_inputs",
    "run_processor",
    "shared_encoder",
    "shared_name",
    "witness",
]
