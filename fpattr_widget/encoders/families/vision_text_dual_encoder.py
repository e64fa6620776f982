"""Any vision model with any language model, joined by ``VisionTextDualEncoderModel``."""

import inspect
from typing import Any

from torch import Tensor, nn

from ...errors import InputError
from .._family import hugging_face_family, image_features, largest_block_list, text_features
from .._image import ImageTower
from .._last_block import Tail, attention_head, attention_pooling
from .._text import TextTower
from .._tower import LastBlock, as_pair
from .altclip import places


def _text_tower(model: Any) -> TextTower:
    text, config = model.text_model, model.config.text_config
    blocks = _blocks(text, config)
    positions = getattr(text.embeddings, "position_embeddings", None)
    room = {"longest": config.max_position_embeddings} if positions is None else places(positions)

    return TextTower(
        model,
        blocks,
        text_features(model),
        vocabulary=config.vocab_size,
        **room,
        masks=True,
        last_block=_first_token(text, blocks[-1], lambda state: model.text_projection(state)),
    )


def _image_tower(model: Any) -> ImageTower:
    vision, config = model.vision_model, model.config.vision_config
    blocks = _blocks(vision, config)
    # A model that interpolates its positions only on request takes one size alone.
    fixed = "interpolate_pos_encoding" in inspect.signature(vision.forward).parameters
    distilled = hasattr(vision.embeddings, "distillation_token")
    probed = hasattr(getattr(vision, "head", None), "probe")  # as SigLIP pools

    def project(state: Tensor) -> Tensor:
        return model.visual_projection(state)

    return ImageTower(
        model,
        blocks,
        image_features(model),
        encode_other_sizes=image_features(model, interpolate_pos_encoding=True) if fixed else None,
        patch=config.patch_size,
        size=as_pair(config.image_size) if fixed else None,
        channels=config.num_channels,
        special=("CLS", "distillation") if distilled else None,
        pooling=vision.post_layernorm if probed else None,
        last_block=(
            attention_head(vision.post_layernorm, vision.head, project)
            if probed
            else _first_token(vision, blocks[-1], project)
        ),
    )


def _blocks(tower: Any, config: Any) -> nn.ModuleList | nn.Sequential:
    blocks = largest_block_list(tower)
    if len(blocks) < config.num_hidden_layers:
        raise InputError(
            "model",
            f"has a {type(tower).__name__}, whose layers share weights and cannot be cut apart",
            "pass a model whose layers have weights of their own",
        )
    return blocks


def _first_token(tower: Any, block: nn.Module, projection: Tail) -> LastBlock | None:
    """Describe the last block of a tower that is pooled at its first token.

    What follows is a norm (DINOv2, CLIP), a pooler with one dense layer (BERT)
    or both (ViT). ``None`` where it is something else.
    """
    norm = getattr(tower, "layernorm", None) or getattr(tower, "post_layernorm", None)
    pooler = getattr(tower, "pooler", None)
    dense = hasattr(pooler, "dense")
    if hasattr(tower, "head") or (pooler is not None and not dense) or not (norm or dense):
        return None

    def tail(state: Tensor) -> Tensor:
        state = norm(state) if norm else state
        return projection(pooler(state[:, None]) if pooler else state)

    return attention_pooling(block, tail)


VISION_TEXT_DUAL_ENCODER = hugging_face_family(
    "VisionTextDualEncoder",
    {"vision-text-dual-encoder": "VisionTextDualEncoderModel"},
    lambda model: (_text_tower(model), _image_tower(model)),
)
