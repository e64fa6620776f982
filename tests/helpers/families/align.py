"""ALIGN: features are the cells of a feature map, and the last block is their mean."""

import torch
from transformers import AlignConfig, AlignModel, EfficientNetImageProcessorPil

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.vocabularies import bert_tokenizer

CAPTION = "a red dog, the ball"


# The map of a picture of 32 × 40 pixels: at the inputs of all blocks, and where it is pooled.
GRIDS = [(16, 20), (16, 20), (8, 10), (8, 10), (8, 10)]


def image_processor(**options) -> EfficientNetImageProcessorPil:
    settings = {
        "size": {"height": 40, "width": 48},
        "crop_size": {"height": 32, "width": 40},
        "do_center_crop": True,
    }
    return EfficientNetImageProcessorPil(**(settings | options))


def random_align(
    dtype=torch.float64, *, exact: bool = True, pooling: str = "mean", activation: str = "swish"
) -> AlignModel:
    """Build a small ALIGN whose batch norms have seen pictures.

    Its eager attention rounds to float32; an ``exact`` one does not.
    """
    torch.manual_seed(0)
    text = {
        "vocab_size": len(bert_tokenizer()),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": 24,
    }
    vision = {
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "kernel_sizes": [3, 3, 5],
        "in_channels": [32, 8, 16],
        "out_channels": [8, 16, 24],
        "strides": [1, 2, 1],
        "num_block_repeats": [1, 1, 2],
        "expand_ratios": [1, 2, 2],
        "hidden_dim": 64,
        "pooling_type": pooling,
        "hidden_act": activation,
    }
    config = AlignConfig(text_config=text, vision_config=vision, projection_dim=24)
    model = checks.far_from_linear(AlignModel(config))
    with torch.no_grad():
        model.vision_model.train()
        for _ in range(3):
            model.vision_model(torch.randn(8, 3, 8, 8).double().repeat_interleave(4, 2))
    if exact:
        model.text_model.config._attn_implementation = "sdpa"
        for layer in model.text_model.encoder.layer:
            layer.attention.self.is_causal = False
    return model.to(dtype).eval()


def random_encoder(dtype=torch.float64, **options) -> fp.DualEncoder:
    processor = checks.Processor(bert_tokenizer(), image_processor())
    return fp.load_encoder(random_align(dtype, **options), processor=processor)
