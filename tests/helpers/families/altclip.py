"""AltCLIP: XLM-R, whose positions are numbered past padding, beside CLIP's image tower."""

import torch
from transformers import AltCLIPConfig, AltCLIPModel, AltCLIPProcessor, CLIPImageProcessor

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.vocabularies import UNIGRAMS, xlm_roberta_tokenizer

CAPTION = "un chien rouge, playing balls"


def altclip(dtype: torch.dtype = torch.float64) -> AltCLIPModel:
    torch.manual_seed(0)
    text = {
        "vocab_size": len(UNIGRAMS),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "max_position_embeddings": 26,
        "project_dim": 20,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 24,
        "patch_size": 8,
    }
    model = AltCLIPModel(AltCLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    return checks.far_from_linear(model, dtype, scale=0.2)


def processor() -> AltCLIPProcessor:
    images = CLIPImageProcessor(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    return AltCLIPProcessor(image_processor=images, tokenizer=xlm_roberta_tokenizer())


def altclip_encoder(dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
    return fp.load_encoder(altclip(dtype), processor=processor())
