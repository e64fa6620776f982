"""FLAVA: the embeddings of its contrastive score."""

import torch
from transformers import (
    FlavaConfig,
    FlavaImageProcessor,
    FlavaModel,
    FlavaProcessor,
)

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.vocabularies import WORD_PIECES, bert_tokenizer

CAPTION = "a playful dog, red balls"


def config() -> FlavaConfig:
    text = {
        "vocab_size": len(WORD_PIECES),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "max_position_embeddings": 24,
    }
    image = {
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "image_size": 24,
        "patch_size": 8,
        "vocab_size": 8,
    }
    multimodal = {
        "hidden_size": 24,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    codebook = {"hidden_size": 4, "num_groups": 4, "num_blocks_per_group": 1}
    return FlavaConfig(
        text_config=text,
        image_config=image,
        multimodal_config=multimodal,
        image_codebook_config=codebook,
        hidden_size=24,
        projection_dim=12,
    )


def flava(dtype: torch.dtype = torch.float64) -> FlavaModel:
    torch.manual_seed(0)
    return checks.far_from_linear(FlavaModel(config()), dtype)


def processor() -> FlavaProcessor:
    size = {"height": 24, "width": 24}
    images = FlavaImageProcessor(size=size, crop_size=size)
    return FlavaProcessor(image_processor=images, tokenizer=bert_tokenizer())


def flava_encoder(dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
    return fp.load_encoder(flava(dtype), processor=processor())
