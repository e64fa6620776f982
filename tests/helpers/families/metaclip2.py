"""MetaCLIP 2: CLIP's towers behind a tokenizer of many languages."""

import torch
from transformers import CLIPImageProcessorPil, MetaClip2Config, MetaClip2Model

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.vocabularies import xlm_roberta_tokenizer

CAPTION = "a red dog, le chien rouge"


def random_metaclip2(dtype=torch.float64) -> MetaClip2Model:
    torch.manual_seed(0)
    tokenizer = xlm_roberta_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": 24,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 24,
        "patch_size": 8,
    }
    config = MetaClip2Config(text_config=text, vision_config=vision, projection_dim=12)
    return checks.far_from_linear(MetaClip2Model(config), dtype)


def random_encoder(dtype=torch.float64) -> fp.DualEncoder:
    size = {"height": 24, "width": 24}
    image_processor = CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size=size)
    processor = checks.Processor(xlm_roberta_tokenizer(), image_processor)
    return fp.load_encoder(random_metaclip2(dtype), processor=processor)
