"""The finished model as an ordinary Hugging Face folder."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AlignConfig, AlignModel, AlignVisionModel, PreTrainedTokenizerFast

from ._captions import CLS, LONGEST_CAPTION, MASK, PAD, SEP, UNKNOWN
from ._image_tower import IMAGE_SIZE
from ._text_tower import TextTower

#: Layers, reference and nodes, as measured by the benchmark of photographs on collages.
DEFAULTS = {"layer": [1, -1], "text_reference": "pad"}

#: What cosines are divided by to make logits: the most likely one for the names of 60
#: photographs of 53 kinds of things, none of which is shipped.
TEMPERATURE = 1 / 18


def new_tokenizer(vocabulary: list[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer of words: letters and digits, without accents, in lower case."""
    ids = {word: index for index, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[^\p{L}\p{N}]+"), "removed")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}", special_tokens=[(CLS, ids[CLS]), (SEP, ids[SEP])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=CLS,
        sep_token=SEP,
        mask_token=MASK,
        model_max_length=LONGEST_CAPTION,
    )


def save(
    folder: Path,
    image_tower: AlignVisionModel,
    text_tower: TextTower,
    vocabulary: list[str],
    training: dict[str, Any],
    card: str,
) -> None:
    """Write a model folder: weights in half precision, tokenizer, processor, card.

    Parameters
    ----------
    folder
        The folder to write to.
    image_tower, text_tower
        The two towers.
    vocabulary
        Words in the order of their ids.
    training
        How the weights were made; written to ``training.json``.
    card
        The model card.
    """
    dimensions = len(text_tower.projection.bias)
    config = AlignConfig(
        text_config=text_tower.model.config.to_dict(),
        vision_config=image_tower.config.to_dict(),
        projection_dim=dimensions,
    )
    model = AlignModel(config).eval()
    model.vision_model.load_state_dict(image_tower.state_dict())
    model.text_model.load_state_dict(text_tower.model.state_dict())
    model.text_projection.load_state_dict(text_tower.projection.state_dict())
    torch.nn.init.constant_(model.temperature, TEMPERATURE)
    model.to(torch.float16).save_pretrained(folder)
    new_tokenizer(vocabulary).save_pretrained(folder)
    settings = {
        "preprocessor_config.json": _IMAGE_PROCESSOR,
        "attribution.json": DEFAULTS,
        "training.json": training,
    }
    for name, content in settings.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    (folder / "README.md").write_text(card)


_IMAGE_PROCESSOR = {
    "image_processor_type": "EfficientNetImageProcessor",
    "do_resize": True,
    "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    "resample": 3,
    "do_center_crop": False,
    "do_rescale": True,
    "rescale_factor": 1 / 127.5,
    "rescale_offset": True,
    "do_normalize": False,
    "include_top": False,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
