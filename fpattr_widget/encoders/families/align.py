"""ALIGN: BERT for the text, an EfficientNet for the image, whose features are cells.

The cells of a feature map grow from block to block, and so the grid depends on
the layer. They are shown as equal parts of the picture. A cell's receptive field is
wider than its part, and centred up to half a part further right and down, because
strided convolutions pad on those sides.
"""

from typing import Any

import torch
from torch import Tensor

from .._family import Logits, hugging_face_family, image_features, largest_block_list
from .._image import ImageTower
from .._inputs import Inputs
from .._last_block import attention_pooling, mean_pooling
from .._text import TextTower
from .._tower import Arrangement

#: A feature map (B, width, rows, columns) as features (B, rows · columns, width).
FEATURE_MAP = Arrangement(
    pack=lambda states, _: states.flatten(2).transpose(1, 2),
    unpack=lambda features, states: features.transpose(1, 2).unflatten(2, states.shape[2:]),
)


def _image_tower(model: Any) -> ImageTower:
    vision, config = model.vision_model, model.config.vision_config

    return ImageTower(
        model,
        largest_block_list(vision.encoder),
        image_features(model),
        patch=None,
        size=None,
        channels=config.num_channels,
        special=(),
        pooling=vision.pooler,
        # The pooler's window is larger than the map: it takes the mean of all cells.
        last_block=mean_pooling() if config.pooling_type == "mean" else None,
        arrangement=FEATURE_MAP,
    )


def _text_tower(model: Any) -> TextTower:
    text, config = model.text_model, model.config.text_config
    blocks = largest_block_list(text.encoder)

    def encode(inputs: Inputs) -> Tensor:
        # Padding in a reference is attended to; without a mask the model would warn.
        everything = {"attention_mask": torch.ones_like(inputs["input_ids"])}
        return model.get_text_features(**{**everything, **inputs}).pooler_output

    return TextTower(
        model,
        blocks,
        encode,
        vocabulary=config.vocab_size,
        longest=config.max_position_embeddings,
        masks=True,
        last_block=attention_pooling(blocks[-1], lambda state: model.text_projection(state)),
    )


def _logits(model: Any) -> Logits:
    return Logits(1 / float(model.temperature), None)


ALIGN = hugging_face_family(
    "ALIGN",
    {"align": "AlignModel"},
    lambda model: (_text_tower(model), _image_tower(model)),
    _logits,
)
