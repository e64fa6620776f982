"""BLIP's retrieval model, and checkpoints of BLIP that are none."""

import torch
from transformers import (
    BlipConfig,
    BlipForImageTextRetrieval,
    BlipImageProcessor,
    BlipProcessor,
)

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.vocabularies import WORD_PIECES, bert_tokenizer

CAPTION = "a playful dog, red balls"


def config() -> BlipConfig:
    text = {
        "vocab_size": len(WORD_PIECES),
        "hidden_size": 24,
        "encoder_hidden_size": 32,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "max_position_embeddings": 24,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 24,
        "patch_size": 8,
    }
    return BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=12)


def blip(dtype: torch.dtype = torch.float64) -> BlipForImageTextRetrieval:
    torch.manual_seed(0)
    return checks.far_from_linear(BlipForImageTextRetrieval(config()), dtype)


def processor() -> BlipProcessor:
    images = BlipImageProcessor(size={"height": 24, "width": 24})
    return BlipProcessor(image_processor=images, tokenizer=bert_tokenizer())


def blip_encoder(dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
    return fp.load_encoder(blip(dtype), processor=processor())
