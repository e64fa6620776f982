"""FLAVA: the embeddings that its contrastive score compares, of the first positions."""

from functools import partial
from typing import Any

from torch import Tensor

from .._family import hugging_face_family, largest_block_list
from .._image import ImageTower
from .._inputs import Inputs
from .._last_block import attention_pooling
from .._text import TextTower
from .._tower import as_pair


def _text_tower(model: Any) -> TextTower:
    text, config = model.text_model, model.config.text_config
    blocks = largest_block_list(text)

    def encode(inputs: Inputs) -> Tensor:
        return model.get_text_features(**inputs).pooler_output[:, 0]

    def tail(state: Tensor) -> Tensor:
        return model.text_projection(text.layernorm(state))

    return TextTower(
        model,
        blocks,
        encode,
        vocabulary=config.vocab_size,
        longest=config.max_position_embeddings,
        masks=True,
        last_block=attention_pooling(blocks[-1], tail),
    )


def _image_tower(model: Any) -> ImageTower:
    image, config = model.image_model, model.config.image_config
    blocks = largest_block_list(image)

    def encode(inputs: Inputs, **options: Any) -> Tensor:
        return model.get_image_features(**inputs, **options).pooler_output[:, 0]

    def tail(state: Tensor) -> Tensor:
        return model.image_projection(image.layernorm(state))

    return ImageTower(
        model,
        blocks,
        encode,
        encode_other_sizes=partial(encode, interpolate_pos_encoding=True),
        patch=config.patch_size,
        size=as_pair(config.image_size),
        channels=config.num_channels,
        special=("CLS",),
        last_block=attention_pooling(blocks[-1], tail),
    )


FLAVA = hugging_face_family(
    "FLAVA",
    {"flava": "FlavaModel"},
    lambda model: (_text_tower(model), _image_tower(model)),
)
