"""SigLIP 2 with NaFlex: pictures of any proportions, padded patches."""

import torch
from transformers import Siglip2Config, Siglip2ImageProcessorPil, Siglip2Model

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.sentence_pieces import LONGEST, siglip2_tokenizer

CAPTION = "a dog left of a ball"


MOST_PATCHES = 14


def image_processor() -> Siglip2ImageProcessorPil:
    return Siglip2ImageProcessorPil(patch_size=8, max_num_patches=MOST_PATCHES)


def random_encoder(dtype=torch.float64, attention="sdpa") -> fp.DualEncoder:
    tokenizer = siglip2_tokenizer()
    torch.manual_seed(0)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": LONGEST,
        "projection_size": 32,
        "bos_token_id": 2,
        "eos_token_id": 1,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_patches": 16,
        "patch_size": 8,
    }
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config=vision))
    model.set_attn_implementation(attention)
    return fp.load_encoder(
        checks.far_from_linear(model, dtype),
        processor=checks.Processor(tokenizer, image_processor()),
    )
