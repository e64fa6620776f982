"""The architecture, tokenizer and image processor of the model of drawn scenes."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

from ..scenes import vocabulary

IMAGE_SIZE = 128
PATCH_SIZE = 16
LONGEST_CAPTION = 32
_PLACE_STRENGTH = 0.3

_PAD, _BOS, _UNKNOWN, _EOS = "<pad>", "<bos>", "<unk>", "<eos>"


def new_tokenizer(*, ends_last: bool = False) -> PreTrainedTokenizerFast:
    """Return a word-level tokenizer over all words of captions.

    Parameters
    ----------
    ends_last
        Whether the token that ends a caption has the highest id, by which a Llip finds it.
    """
    words = [_PAD, _BOS, _UNKNOWN, *vocabulary()]
    words.insert(len(words) if ends_last else len((_PAD, _BOS, _UNKNOWN)), _EOS)
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
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))
    # By default position embeddings start far weaker than patch embeddings and are
    # hardly learned; left and right are confused then.
    places = model.vision_model.embeddings.position_embedding.weight
    side = IMAGE_SIZE // PATCH_SIZE
    with torch.no_grad():
        places[1:] = _PLACE_STRENGTH * _waves(side, places.shape[1])
    return model


def _waves(side: int, width: int) -> torch.Tensor:
    """Return sines and cosines of each patch's row and column, ``(side², width)``."""
    frequencies = torch.pi * 2 ** torch.linspace(-1, 2, width // 4)
    phases = torch.arange(side)[:, None] / side * frequencies
    along = torch.cat([phases.sin(), phases.cos()], 1)
    rows = along[:, None].expand(side, side, -1)
    columns = along[None, :].expand(side, side, -1)
    return torch.cat([rows, columns], -1).reshape(side * side, width)


def save(model: CLIPModel, tokenizer: PreTrainedTokenizerFast, folder: Path, about: dict) -> None:
    """Write an ordinary Hugging Face model folder, with ``about`` as training.json."""
    for part in (model, tokenizer, image_processor()):
        part.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps(about, indent=2) + "\n")


def image_processor() -> CLIPImageProcessor:
    """Return the image processor of the models of drawn scenes."""
    side = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return CLIPImageProcessor(size=side, crop_size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3)
