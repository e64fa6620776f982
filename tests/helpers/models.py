"""Models that other threads use while they are explained, and modules to build into them."""

import time
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    CLIPModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
    ViTModel,
)

import fpattr_widget as fp
from tests.conftest import Processor, random_clip

CAPTIONS = ("a dog, a ball", "a cat and a kite", "a red ball left of a dog", "a cup")


def clip(seed: int = 0, *, layers: int = 4, dropout: float = 0.0) -> CLIPModel:
    """Return a small random CLIP in single precision, in evaluation mode."""
    model = random_clip(seed, dtype=torch.float32, layers=layers)
    for module in model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = dropout
    return model


def bert_and_vit(*, dropout: float = 0.0) -> VisionTextDualEncoderModel:
    """Return a small random model of BERT and ViT, whose blocks have dropout of their own."""
    common: dict[str, Any] = {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }
    torch.manual_seed(0)
    vision = ViTModel(ViTConfig(**common, image_size=24, patch_size=8))
    vocabulary = len(Processor(24).tokenizer)
    text = BertModel(BertConfig(**common, vocab_size=vocabulary, max_position_embeddings=24))
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        vision.config, text.config, projection_dim=12
    )
    model = VisionTextDualEncoderModel(config, vision, text)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    return model.eval()


def encoder_of(model: nn.Module) -> fp.DualEncoder:
    """Load an encoder of pictures of 24 × 24 pixels from a module."""
    return fp.load_encoder(model, processor=Processor(24))


class Slow(nn.Module):
    """A module whose every forward pass takes a while longer.

    ``seconds`` and ``passes`` are the class's, and so those of all copies.
    """

    seconds = 0.02
    passes = 0

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, states: Tensor) -> Tensor:
        type(self).passes += 1
        time.sleep(self.seconds)
        return self.inner(states)


def slow_clip(layers: int = 4) -> CLIPModel:
    """Return a small CLIP of which each block takes ``Slow.seconds`` longer."""
    model = clip(layers=layers)
    for tower in (model.text_model, model.vision_model):
        for block in tower.encoder.layers:
            block.mlp = Slow(block.mlp)
    return model
