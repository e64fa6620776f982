"""Any vision tower with any language model, in ``VisionTextDualEncoderModel``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import (
    BeitConfig,
    BeitModel,
    BertConfig,
    BertModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    DeiTConfig,
    DeiTModel,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    DINOv3ViTConfig,
    DINOv3ViTModel,
    MegatronBertConfig,
    MegatronBertModel,
    RobertaConfig,
    RobertaModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    SwinConfig,
    SwinModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    VisionTextDualEncoderProcessor,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.vocabularies import (
    UNIGRAMS,
    WORD_PIECES,
    bert_tokenizer,
    xlm_roberta_tokenizer,
)

CAPTION = "a dog, playing balls"


WIDTHS = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
}


PICTURE = {"image_size": 24, "patch_size": 8}


def bert() -> BertModel:
    return BertModel(BertConfig(**WIDTHS, vocab_size=len(WORD_PIECES), max_position_embeddings=24))


def megatron_bert() -> MegatronBertModel:
    return MegatronBertModel(MegatronBertConfig(**WIDTHS, vocab_size=len(WORD_PIECES)))


def xlm_roberta(kind: Any = XLMRobertaModel, config: Any = XLMRobertaConfig) -> nn.Module:
    settings = {"vocab_size": len(UNIGRAMS), "max_position_embeddings": 26, "pad_token_id": 1}
    return kind(config(**WIDTHS, **settings))


def swin(kind: Any, config: Any) -> nn.Module:
    return kind(
        config(
            image_size=32, patch_size=4, embed_dim=12, depths=[2, 2], num_heads=[2, 2],
            window_size=4,
        )
    )  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two towers, and what is known of them."""

    vision: Callable[[], nn.Module]
    text: Callable[[], nn.Module] = bert
    size: tuple[int, int] = (24, 24)
    grid: tuple[int, int] = (3, 3)
    special: tuple[str, ...] = ("CLS",)
    closed: tuple[bool, bool] = (True, True)
    """Whether the last block of (text, image) has a closed form."""

    def encoder(self, dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
        return fp.load_encoder(self.model(dtype), processor=self.processor())

    def model(self, dtype: torch.dtype = torch.float64) -> VisionTextDualEncoderModel:
        torch.manual_seed(0)
        vision, text = self.vision(), self.text()
        config = VisionTextDualEncoderConfig.from_vision_text_configs(
            vision.config, text.config, projection_dim=12
        )
        model = VisionTextDualEncoderModel(config, vision, text)
        return checks.far_from_linear(model, dtype)

    def processor(self) -> VisionTextDualEncoderProcessor:
        height, width = self.size
        multilingual = self.text not in (bert, megatron_bert)
        return VisionTextDualEncoderProcessor(
            image_processor=ViTImageProcessor(size={"height": height, "width": width}),
            tokenizer=xlm_roberta_tokenizer() if multilingual else bert_tokenizer(),
        )


VIT = Pair(lambda: ViTModel(ViTConfig(**WIDTHS, **PICTURE)))


PAIRS = {
    "ViT + BERT": VIT,
    "ViT, 24 × 40, + BERT": Pair(
        lambda: ViTModel(ViTConfig(**WIDTHS, image_size=(24, 40), patch_size=8)),
        size=(24, 40),
        grid=(3, 5),
    ),
    "ViT, patches of 8 × 10, + BERT": Pair(
        lambda: ViTModel(ViTConfig(**WIDTHS, image_size=[24, 40], patch_size=[8, 10])),
        size=(24, 40),
        grid=(3, 4),
    ),
    "CLIP + XLM-R": Pair(
        lambda: CLIPVisionModel(CLIPVisionConfig(**WIDTHS, **PICTURE)), xlm_roberta
    ),
    "DeiT + RoBERTa": Pair(
        lambda: DeiTModel(DeiTConfig(**WIDTHS, **PICTURE)),
        lambda: xlm_roberta(RobertaModel, RobertaConfig),
        special=("CLS", "distillation"),
    ),
    "DINOv2 + BERT": Pair(
        lambda: Dinov2Model(
            Dinov2Config(**WIDTHS, **PICTURE, mlp_ratio=2, layerscale_value=0.5)
        )
    ),
    "DINOv2 with registers, gated, + BERT": Pair(
        lambda: Dinov2WithRegistersModel(
            Dinov2WithRegistersConfig(
                **WIDTHS, **PICTURE, mlp_ratio=2, num_register_tokens=3, use_swiglu_ffn=True
            )
        ),
        special=("CLS", "register 1", "register 2", "register 3"),
    ),
    "SigLIP + XLM-R": Pair(
        lambda: SiglipVisionModel(SiglipVisionConfig(**WIDTHS, **PICTURE)),
        xlm_roberta,
        special=(),
    ),
    "DINOv3 + BERT": Pair(
        lambda: DINOv3ViTModel(DINOv3ViTConfig(**WIDTHS, **PICTURE, num_register_tokens=2)),
        special=("CLS", "register 1", "register 2"),
        closed=(True, False),
    ),
    "BEiT + Megatron-BERT": Pair(
        lambda: BeitModel(BeitConfig(**WIDTHS, **PICTURE)), megatron_bert, closed=(False, False)
    ),
    "Swin + BERT": Pair(
        lambda: swin(SwinModel, SwinConfig),
        size=(32, 32),
        grid=(8, 8),
        special=(),
        closed=(True, False),
    ),
}  # fmt: skip
