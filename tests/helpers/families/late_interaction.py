"""Retrievers by late interaction: small random models of the real classes, their processors."""

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    Blip2Config,
    Blip2ForImageTextRetrieval,
    Blip2Processor,
    BlipImageProcessor,
    ColModernVBertConfig,
    ColModernVBertForRetrieval,
    ColModernVBertProcessor,
    ColPaliConfig,
    ColPaliForRetrieval,
    ColPaliProcessor,
    ColQwen2Config,
    ColQwen2ForRetrieval,
    ColQwen2Processor,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.vocabularies import WORD_PIECES, bert_tokenizer

CAPTION = "a red ball"
SIZE = 4
_PIECES = "Question Query Describe the image a red dog ball left of : . User Assistant"
_WORDS = [*_PIECES.split(), "\n"]
_SMALL = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_VISION = {**_SMALL, "model_type": "siglip_vision_model", "vision_use_head": False}


def tokenizer(*special: str, pad: str = "<pad>") -> PreTrainedTokenizerFast:
    """Return a tokenizer of words, whose spaces belong to no token."""
    words = dict.fromkeys(("<pad>", "<eos>", "<bos>", "<unk>", *special, *_WORDS))
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(" ", "removed"),
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Punctuation(),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=pad,
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        additional_special_tokens=list(special),
    )


def colpali_processor(side: int = 24, patch: int = 8) -> ColPaliProcessor:
    images = SiglipImageProcessorPil(size={"height": side, "width": side})
    images.image_seq_length = (side // patch) ** 2
    return ColPaliProcessor(image_processor=images, tokenizer=tokenizer())


def colpali(side: int = 24, patch: int = 8, longest: int = 64) -> ColPaliForRetrieval:
    words = colpali_processor().tokenizer
    text = {
        **_SMALL,
        "model_type": "gemma",
        "vocab_size": len(words),
        "num_key_value_heads": 1,
        "head_dim": 8,
        "max_position_embeddings": longest,
    }
    vlm = {
        "model_type": "paligemma",
        "text_config": text,
        "vision_config": {**_VISION, "image_size": side, "patch_size": patch},
        "projection_dim": 16,
        "image_token_id": words.convert_tokens_to_ids("<image>"),
    }
    return ColPaliForRetrieval(ColPaliConfig(vlm_config=vlm, embedding_dim=SIZE))


_QWEN = ("image_pad", "im_start", "im_end", "vision_start", "vision_end", "endoftext")


def colqwen2_processor() -> ColQwen2Processor:
    words = tokenizer(*(f"<|{name}|>" for name in _QWEN), pad="<|endoftext|>")
    images = Qwen2VLImageProcessorPil(
        patch_size=4,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 64, "longest_edge": 16 * 96},
    )
    return ColQwen2Processor(image_processor=images, tokenizer=words)


def colqwen2() -> ColQwen2ForRetrieval:
    words = colqwen2_processor().tokenizer
    text = {
        **_SMALL,
        "vocab_size": len(words),
        "num_key_value_heads": 1,
        "max_position_embeddings": 64,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [1, 1, 2],
        },
        "bos_token_id": None,
        "eos_token_id": None,
    }
    vision = {
        "depth": 2,
        "embed_dim": 16,
        "hidden_size": 16,
        "num_heads": 2,
        "mlp_ratio": 2,
        "patch_size": 4,
    }
    vlm = {
        "model_type": "qwen2_vl",
        "text_config": text,
        "vision_config": vision,
        "image_token_id": words.convert_tokens_to_ids("<|image_pad|>"),
    }
    return ColQwen2ForRetrieval(ColQwen2Config(vlm_config=vlm, embedding_dim=SIZE))


def colmodernvbert_processor(longest: int = 48) -> ColModernVBertProcessor:
    tags = (f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6))
    names = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": longest}, max_image_size={"longest_edge": 16}
    )
    words = tokenizer(*names, "<|begin_of_text|>", *tags)
    return ColModernVBertProcessor(image_processor=images, tokenizer=words, image_seq_len=4)


def colmodernvbert() -> ColModernVBertForRetrieval:
    words = colmodernvbert_processor().tokenizer
    text = {
        **_SMALL,
        "model_type": "modernbert",
        "vocab_size": len(words),
        "max_position_embeddings": 128,
        **{f"{name}_token_id": number for number, name in enumerate(("pad", "eos", "bos"))},
        "cls_token_id": 2,
        "sep_token_id": 1,
    }
    vlm = {
        "model_type": "modernvbert",
        "text_config": text,
        "vision_config": {**_VISION, "image_size": 16, "patch_size": 4},
        "image_token_id": words.convert_tokens_to_ids("<image>"),
        "pixel_shuffle_factor": 2,
    }
    return ColModernVBertForRetrieval(ColModernVBertConfig(vlm_config=vlm, embedding_dim=SIZE))


def blip2_processor() -> Blip2Processor:
    images = BlipImageProcessor(size={"height": 24, "width": 24})
    return Blip2Processor(image_processor=images, tokenizer=bert_tokenizer())


def blip2() -> Blip2ForImageTextRetrieval:
    vision = {**_SMALL, "image_size": 24, "patch_size": 8}
    former = {
        **_SMALL,
        "vocab_size": len(WORD_PIECES),
        "encoder_hidden_size": 16,
        "max_position_embeddings": 24,
        "cross_attention_frequency": 1,
        "use_qformer_text_input": True,
    }
    config = Blip2Config(
        vision_config=vision,
        qformer_config=former,
        num_query_tokens=5,
        image_text_hidden_size=SIZE,
        image_token_index=None,
    )
    return Blip2ForImageTextRetrieval(config)


@dataclass(frozen=True)
class Retriever:
    """A small model and its processor."""

    model: Any
    processor: Any

    def scores(self, image: Any, queries: list[str], dtype: torch.dtype) -> Tensor:
        """Return what the class and its processor score, ``(queries,)``."""
        with torch.no_grad():
            page = self.processor.process_images(images=[image])
            asked = self.processor.process_queries(text=queries, padding="longest")
            embedded = [self.model(**of_type(inputs, dtype)).embeddings for inputs in (asked, page)]
        return self.processor.score_retrieval(*embedded)[:, 0]


def of_type(inputs: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    return {n: v.to(dtype) if v.is_floating_point() else v for n, v in inputs.items()}


MAKERS = {
    "ColPali": (colpali, colpali_processor),
    "ColQwen2": (colqwen2, colqwen2_processor),
    "ColModernVBERT": (colmodernvbert, colmodernvbert_processor),
    "BLIP-2": (blip2, blip2_processor),
}


def retriever(name: str, dtype: torch.dtype = torch.float64) -> Retriever:
    model, processor = MAKERS[name]
    torch.manual_seed(0)
    return Retriever(checks.far_from_linear(model(), dtype), processor())


def precise(model: nn.Module) -> None:
    """Let a model compute in the type of its weights where its class rounds to float32."""
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = _precise_norm(module)


def _precise_norm(norm: Any) -> Any:
    def forward(states: Tensor) -> Tensor:
        epsilon = getattr(norm, "eps", None) or norm.variance_epsilon
        scaled = states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + epsilon)
        weight = 1.0 + norm.weight if type(norm).__name__.startswith("Gemma") else norm.weight
        return scaled * weight

    return forward


def encoder(name: str, dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
    made = retriever(name, dtype)
    return fp.load_encoder(made.model, processor=made.processor)
