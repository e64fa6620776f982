"""CLIP: pre-norm transformers, pooled at CLS and at the end of the text."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from .._family import hugging_face_family, image_features, largest_block_list, text_features
from .._image import ImageTower
from .._inputs import Inputs
from .._last_block import attention_pooling
from .._text import TextTower


def end_of_text(eos_token_id: int | None) -> Callable[[Inputs], int]:
    """Return a function that finds a text's end: the first EOS, or for ``None`` the highest id."""

    def find(inputs: Inputs) -> int:
        ids = inputs["input_ids"][0]
        return int(ids.eq(ids.max() if eos_token_id is None else eos_token_id).int().argmax())

    return find


def clip_image_tower(model: Any) -> ImageTower:
    """Return the image tower of a model that has CLIP's ``vision_model``."""
    vision, config = model.vision_model, model.config.vision_config
    blocks = largest_block_list(vision)

    def tail(state: Tensor) -> Tensor:
        return model.visual_projection(vision.post_layernorm(state))

    return ImageTower(
        model,
        blocks,
        image_features(model),
        encode_other_sizes=image_features(model, interpolate_pos_encoding=True),
        patch=config.patch_size,
        size=(config.image_size, config.image_size),
        channels=config.num_channels,
        special=("CLS",),
        last_block=attention_pooling(blocks[-1], tail),
    )


def clip_text_tower(model: Any, end: Callable[[Inputs], int]) -> TextTower:
    """Return the text tower of a model that has CLIP's ``text_model``."""
    text, config = model.text_model, model.config.text_config
    blocks = largest_block_list(text)

    def tail(state: Tensor) -> Tensor:
        return model.text_projection(text.final_layer_norm(state))

    return TextTower(
        model,
        blocks,
        text_features(model),
        vocabulary=config.vocab_size,
        longest=config.max_position_embeddings,
        end=end,
        masks=True,
        last_block=attention_pooling(blocks[-1], tail, end, causal=True),
    )


def _towers(model: Any) -> tuple[TextTower, ImageTower]:
    # Old configurations name a wrong EOS, and their models pool at the highest id.
    eos = model.config.text_config.eos_token_id
    end = end_of_text(None if eos == 2 else eos)
    return clip_text_tower(model, end), clip_image_tower(model)


CLIP = hugging_face_family("CLIP", {"clip": "CLIPModel"}, _towers)
