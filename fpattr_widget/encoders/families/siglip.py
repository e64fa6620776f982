"""SigLIP: a text of fixed length, pooled at its last position; images pooled by attention.

SigLIP 2 of fixed resolution has the same towers.
"""

from typing import Any

from torch import Tensor

from ...errors import InputError
from .._family import hugging_face_family, image_features, largest_block_list, text_features
from .._image import ImageTower
from .._inputs import Inputs
from .._last_block import attention_head, attention_pooling
from .._text import TextTower
from .._tower import as_pair


def siglip_image_tower(model: Any, size: tuple[int, int] | None, *, packed: bool) -> ImageTower:
    """Return the image tower of a model that has SigLIP's ``vision_model``.

    Parameters
    ----------
    model
        The module that owns the tower.
    size, packed
        See :class:`.ImageTower`.
    """
    vision, config = model.vision_model, model.config.vision_config
    if not vision.use_head:
        raise InputError(
            "model",
            "has no pooling head (vision_use_head is False), so it embeds no image",
            "load one that has its head",
        )

    return ImageTower(
        model,
        largest_block_list(vision.encoder),
        image_features(model),
        encode_other_sizes=None if packed else image_features(model, interpolate_pos_encoding=True),
        patch=config.patch_size,
        size=size,
        channels=config.num_channels,
        special=(),
        packed=packed,
        pooling=vision.post_layernorm,
        last_block=attention_head(vision.post_layernorm, vision.head),
    )


def siglip_text_tower(model: Any) -> TextTower:
    """Return the text tower of a model that has SigLIP's ``text_model``."""
    text, config = model.text_model, model.config.text_config
    blocks = largest_block_list(text.encoder)

    def tail(state: Tensor) -> Tensor:
        return text.head(text.final_layer_norm(state))

    def last(inputs: Inputs) -> int:
        return inputs["input_ids"].shape[1] - 1

    return TextTower(
        model,
        blocks,
        text_features(model),
        vocabulary=config.vocab_size,
        longest=config.max_position_embeddings,
        padded=True,
        end=last,
        masks=True,
        last_block=attention_pooling(blocks[-1], tail, last),
    )


def _towers(model: Any) -> tuple[TextTower, ImageTower]:
    side = model.config.vision_config.image_size
    return siglip_text_tower(model), siglip_image_tower(model, as_pair(side), packed=False)


SIGLIP = hugging_face_family("SigLIP", {"siglip": "SiglipModel"}, _towers)
