"""BLIP's retrieval model: its contrastive embeddings, before any cross-attention."""

from functools import partial
from typing import Any

from torch import Tensor

from .._family import hugging_face_family, largest_block_list
from .._image import ImageTower
from .._inputs import Inputs
from .._last_block import attention_pooling
from .._text import TextTower


def _text_tower(model: Any) -> TextTower:
    config = model.config.text_config
    blocks = largest_block_list(model.text_encoder)

    def encode(inputs: Inputs) -> Tensor:
        return model.text_proj(model.text_encoder(**inputs).last_hidden_state[:, 0])

    return TextTower(
        model,
        blocks,
        encode,
        vocabulary=config.vocab_size,
        longest=config.max_position_embeddings,
        masks=True,
        last_block=attention_pooling(blocks[-1], lambda state: model.text_proj(state)),
    )


def _image_tower(model: Any) -> ImageTower:
    vision, config = model.vision_model, model.config.vision_config
    blocks = largest_block_list(vision)

    def encode(inputs: Inputs, **options: Any) -> Tensor:
        return model.vision_proj(vision(**inputs, **options).last_hidden_state[:, 0])

    def tail(state: Tensor) -> Tensor:
        return model.vision_proj(vision.post_layernorm(state))

    return ImageTower(
        model,
        blocks,
        encode,
        encode_other_sizes=partial(encode, interpolate_pos_encoding=True),
        patch=config.patch_size,
        size=(config.image_size, config.image_size),
        special=("CLS",),
        last_block=attention_pooling(blocks[-1], tail),
    )


BLIP = hugging_face_family(
    "BLIP retrieval",
    {"blip": "BlipForImageTextRetrieval"},
    lambda model: (_text_tower(model), _image_tower(model)),
)
