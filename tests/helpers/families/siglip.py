"""SigLIP, and SigLIP 2 of fixed resolution, which has SigLIP's towers."""

import torch
from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.sentence_pieces import LONGEST

CAPTION = "a dog left of a ball"


def random_siglip(tokenizer, dtype=torch.float64, **vision) -> SiglipModel:
    torch.manual_seed(0)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": LONGEST,
        "projection_size": 32,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 24,
        "patch_size": 8,
        **vision,
    }
    config = SiglipConfig(text_config=text, vision_config=vision)
    return checks.far_from_linear(SiglipModel(config), dtype)


def image_processor(side: int = 24) -> SiglipImageProcessorPil:
    return SiglipImageProcessorPil(size={"height": side, "width": side})


def random_encoder(tokenizer, dtype=torch.float64) -> fp.DualEncoder:
    processor = checks.Processor(tokenizer, image_processor())
    return fp.load_encoder(random_siglip(tokenizer, dtype), processor=processor)
