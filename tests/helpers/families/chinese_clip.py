"""Chinese-CLIP: BERT over Chinese characters, pooled at CLS, beside CLIP's image tower."""

import torch
from transformers import (
    ChineseCLIPConfig,
    ChineseCLIPImageProcessor,
    ChineseCLIPModel,
    ChineseCLIPProcessor,
)

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.vocabularies import WORD_PIECES, bert_tokenizer

CAPTION = "一只 Red dog 和红球"


def chinese_clip(dtype: torch.dtype = torch.float64) -> ChineseCLIPModel:
    torch.manual_seed(0)
    text = {
        "vocab_size": len(WORD_PIECES),
        "hidden_size": 24,
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
    model = ChineseCLIPModel(
        ChineseCLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    )
    checks.far_from_linear(model, dtype, scale=0.2)
    # When transformers loads this model it sets the row of padding to zero, whatever was saved.
    model.text_model.embeddings.word_embeddings.weight.data[0] = 0
    return model


def processor() -> ChineseCLIPProcessor:
    size = {"height": 24, "width": 24}
    images = ChineseCLIPImageProcessor(size=size, crop_size=size, do_center_crop=False)
    return ChineseCLIPProcessor(image_processor=images, tokenizer=bert_tokenizer())


def chinese_clip_encoder(dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
    return fp.load_encoder(chinese_clip(dtype), processor=processor())
