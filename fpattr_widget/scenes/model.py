"""The architecture, tokenizer and image processor of the bundled model."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

from .captions import vocabulary

IMAGE_SIZE = 128
PATCH_SIZE = 16
LONGEST_CAPTION = 32

_PAD, _BOS, _UNKNOWN, _EOS = "<pad>", "<bos>", "<unk>", "<eos>"


def new_tokenizer() -> PreTrainedTokenizerFast:
    """Return a word-level tokenizer over everything that captions can say."""
    words = [_PAD, _BOS, _UNKNOWN, _EOS, *vocabulary()]
    ids = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_BOS} $A {_EOS}", special_tokens=[(_BOS, ids[_BOS]), (_EOS, ids[_EOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        bos_token=_BOS,
        unk_token=_UNKNOWN,
        eos_token=_EOS,
        model_max_length=LONGEST_CAPTION,
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> CLIPModel:
    """Return an untrained CLIP of about 2.6 million parameters."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": LONGEST_CAPTION,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 192,
        "intermediate_size": 768,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH_SIZE,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))


def save(model: CLIPModel, tokenizer: PreTrainedTokenizerFast, folder: Path, about: dict) -> None:
    """Write an ordinary Hugging Face model folder, with ``about`` as training.json."""
    processor = CLIPImageProcessor(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    for part in (model, tokenizer, processor):
        part.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps(about, indent=2) + "\n")
