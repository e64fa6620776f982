"""Chinese-CLIP: CLIP's image tower, and BERT pooled at its first token."""

from typing import Any

from .._family import hugging_face_family, largest_block_list, text_features
from .._last_block import attention_pooling
from .._text import TextTower
from .clip import clip_image_tower


def _text_tower(model: Any) -> TextTower:
    config = model.config.text_config
    blocks = largest_block_list(model.text_model)

    return TextTower(
        model,
        blocks,
        text_features(model),
        vocabulary=config.vocab_size,
        longest=config.max_position_embeddings,
        masks=True,
        last_block=attention_pooling(blocks[-1], lambda state: model.text_projection(state)),
    )


CHINESE_CLIP = hugging_face_family(
    "Chinese-CLIP",
    {"chinese_clip": "ChineseCLIPModel"},
    lambda model: (_text_tower(model), clip_image_tower(model)),
)
