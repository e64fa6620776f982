"""Small random models of the real classes, and modules to build into them."""

import time
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    PreTrainedTokenizerFast,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
    ViTModel,
)

import fpattr_widget as fp
from fpattr_widget.training._model import new_tokenizer


class Processor:
    """A tokenizer and an image processor, as a Hugging Face processor holds them."""

    def __init__(self, side: int):
        self.tokenizer = new_tokenizer()
        size = {"height": side, "width": side}
        self.image_processor = CLIPImageProcessor(
            size={"shortest_edge": side},
            crop_size=size,
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
        )


def random_clip(seed: int = 0, *, dtype: torch.dtype = torch.float64, layers: int = 3) -> CLIPModel:
    """Build a small CLIP whose weights are large enough to make it far from linear."""
    tokenizer = new_tokenizer()
    torch.manual_seed(seed)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": layers,
        "num_attention_heads": 3,
        "max_position_embeddings": 24,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "image_size": 24,
        "patch_size": 8,
    }
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    return model.to(dtype).eval()


def random_encoder(seed: int = 0, **options: object) -> fp.DualEncoder:
    return fp.load_encoder(random_clip(seed, **options), processor=Processor(24))


def spelling_encoder() -> fp.DualEncoder:
    """Return an encoder whose tokenizer cuts words into letters."""
    letters = {letter: i for i, letter in enumerate(["<p>", "<b>", "<u>", "<e>", *"adgo"])}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<u>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<b> $A <e>", special_tokens=[("<b>", 1), ("<e>", 3)]
    )
    processor = Processor(24)
    processor.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<p>", bos_token="<b>", unk_token="<u>", eos_token="<e>",
    )  # fmt: skip
    return fp.load_encoder(random_clip(1), processor=processor)


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
