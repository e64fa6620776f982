"""Hugging Face's ``CLIPModel``: pre-norm transformers, pooled at CLS and at EOS."""

from typing import Any

from torch import Tensor

from .family import Family, largest_block_list
from .tower import Inputs, Tower


def _towers(model: Any) -> tuple[Tower, Tower]:
    def encode_text(inputs: Inputs) -> Tensor:
        return model.get_text_features(**inputs).pooler_output

    def encode_image(inputs: Inputs) -> Tensor:
        return model.get_image_features(**inputs).pooler_output

    return (
        Tower("text", model, largest_block_list(model.text_model), encode_text),
        Tower("image", model, largest_block_list(model.vision_model), encode_image),
    )


CLIP = Family(name="CLIP", model_types=("clip",), towers=_towers, image_special=("CLS",))
