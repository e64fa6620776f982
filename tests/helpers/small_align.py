"""A small ALIGN, whose image tower is a convolutional one."""

import torch
from torch import Tensor, nn
from transformers import AlignConfig, AlignModel

import fpattr_widget as fp


def far_from_linear(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    return model.double().eval()


def align() -> fp.DualEncoder:
    """A convolutional tower."""
    text = {
        "vocab_size": 20, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
        "num_attention_heads": 3, "max_position_embeddings": 16,
    }  # fmt: skip
    vision = {
        "image_size": 64, "hidden_dim": 24, "kernel_sizes": [3, 3], "in_channels": [32, 16],
        "out_channels": [16, 24], "depthwise_padding": [], "strides": [1, 2],
        "num_block_repeats": [1, 2], "expand_ratios": [1, 4], "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
    }  # fmt: skip
    config = AlignConfig(text_config=text, vision_config=vision, projection_dim=24)
    return fp.load_encoder(far_from_linear(AlignModel(config)))


def align_image() -> Tensor:
    return torch.randn(1, 3, 36, 28, generator=torch.Generator().manual_seed(1)).double()
