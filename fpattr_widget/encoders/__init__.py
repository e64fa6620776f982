"""Dual encoders: their towers, the families that have them, and their inputs."""

from ._adapters import ProcessorLike
from ._cache import LRUCache
from ._embeddings import Embeddings, load_embeddings
from ._encoder import DualEncoder, Layer, Recipe
from ._family import Family
from ._head import (
    Head,
    both_embeddings,
    cosines,
    frozen_routing,
    frozen_through,
    has_read_out,
    left_out_when_frozen,
    places_of,
    read_out_of,
    readings_of,
    routing_name,
    score_name,
)
from ._identity import hash_of_image_processor, hash_of_tokenizer
from ._image import ImageLike, ImageTower, PreparedImage, check_picture_choice
from ._image_files import open_image, read_image, run_processor
from ._inputs import Crop, Feature, Inputs, Panel, Prepared, Sentence
from ._last_block import (
    SAMPLE_NODE,
    AttentionPooling,
    MeanPooling,
    agree,
    attention_pooling,
    attention_reading,
    mean_pooling,
    sample_jacobian,
)
from ._loading import (
    DEFAULTS_FILE,
    EncoderRecipe,
    ModelLike,
    encoder_of,
    is_loaded,
    load_encoder,
    shared_encoder,
)
from ._memory_budget import MemoryBudget
from ._memory_needed import block_numbers, halved
from ._names import shared_name
from ._part import Part
from ._probes import Findings, Verdict, compare_jacobians
from ._read_out import ReadOut, ReadOutChange
from ._reference import PictureReference
from ._registry import register_family
from ._side import Fold, Side
from ._sources import Item, Many
from ._sums import MOST_PARTS, Picture, Sum, Term, Text, as_sum, mean, ordered
from ._text import CaptionLike, PreparedText, TextTower, names_picture
from ._tokens import Token, find_words, spelling, word_groups
from ._tower import Arrangement, Split, Tower, check_choice
from .heads import FlairHead, LateInteractionHead, Llip, LlipHead, LlipSizes

__all__ = [
    "DEFAULTS_FILE",
    "MOST_PARTS",
    "SAMPLE_NODE",
    "Arrangement",
    "AttentionPooling",
    "CaptionLike",
    "Crop",
    "DualEncoder",
    "Embeddings",
    "EncoderRecipe",
    "Family",
    "Feature",
    "Findings",
    "FlairHead",
    "Fold",
    "Head",
    "ImageLike",
    "ImageTower",
    "Inputs",
    "Item",
    "LRUCache",
    "LateInteractionHead",
    "Layer",
    "Llip",
    "LlipHead",
    "LlipSizes",
    "Many",
    "MeanPooling",
    "MemoryBudget",
    "ModelLike",
    "Panel",
    "Part",
    "Picture",
    "PictureReference",
    "Prepared",
    "PreparedImage",
    "PreparedText",
    "ProcessorLike",
    "ReadOut",
    "ReadOutChange",
    "Recipe",
    "Sentence",
    "Side",
    "Split",
    "Sum",
    "Term",
    "Text",
    "TextTower",
    "Token",
    "Tower",
    "Verdict",
    "agree",
    "as_sum",
    "attention_pooling",
    "attention_reading",
    "block_numbers",
    "both_embeddings",
    "check_choice",
    "check_picture_choice",
    "compare_jacobians",
    "cosines",
    "encoder_of",
    "find_words",
    "frozen_routing",
    "frozen_through",
    "halved",
    "has_read_out",
    "hash_of_image_processor",
    "hash_of_tokenizer",
    "is_loaded",
    "left_out_when_frozen",
    "load_embeddings",
    "load_encoder",
    "mean",
    "mean_pooling",
    "names_picture",
    "open_image",
    "ordered",
    "places_of",
    "read_image",
    "read_out_of",
    "readings_of",
    "register_family",
    "routing_name",
    "run_processor",
    "sample_jacobian",
    "score_name",
    "shared_encoder",
    "shared_name",
    "spelling",
    "word_groups",
]
