"""What a dual encoder is, and how each family is one."""

from ._adapters import ProcessorLike
from ._encoder import DualEncoder, Layer, Recipe
from ._family import Family
from ._graphs import Kept
from ._image import ImageLike, ImageTower, PreparedImage
from ._image_files import open_image, read_image, run_processor
from ._inputs import Crop, Feature, Inputs, Panel, Prepared, Sentence, Side
from ._last_block import (
    NODE,
    AttentionPooling,
    MeanPooling,
    agree,
    attention_pooling,
    mean_pooling,
    witness,
)
from ._loading import EncoderRecipe, ModelLike, encoder_of, is_loaded, load_encoder, shared_encoder
from ._names import shared_name
from ._part import Part
from ._registry import register_family
from ._text import CaptionLike, PreparedText, TextTower
from ._tokens import Token, find_words
from ._tower import Arrangement, Split, Tower, check_choice

__all__ = [
    "NODE",
    "Arrangement",
    "AttentionPooling",
    "CaptionLike",
    "Crop",
    "DualEncoder",
    "EncoderRecipe",
    "Family",
    "Feature",
    "ImageLike",
    "ImageTower",
    "Inputs",
    "Kept",
    "Layer",
    "MeanPooling",
    "ModelLike",
    "Panel",
    "Part",
    "Prepared",
    "PreparedImage",
    "PreparedText",
    "ProcessorLike",
    "Recipe",
    "Sentence",
    "Side",
    "Split",
    "TextTower",
    "Token",
    "Tower",
    "agree",
    "attention_pooling",
    "check_choice",
    "encoder_of",
    "find_words",
    "is_loaded",
    "load_encoder",
    "mean_pooling",
    "open_image",
    "read_image",
    "register_family",
    "run_processor",
    "shared_encoder",
    "shared_name",
    "witness",
]
