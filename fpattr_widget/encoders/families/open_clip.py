"""OpenCLIP: OpenAI's layout, or towers of Hugging Face and of timm in its place."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ...errors import InputError
from .._family import Family, largest_block_list
from .._image import ImageTower
from .._inputs import Inputs
from .._last_block import AttentionPooling, attention_pooling, does_nothing, may_be_bypassed
from .._text import TextTower
from .._tower import LastBlock, as_pair
from .align import FEATURE_MAP
from .altclip import places
from .openai_clip import (
    has_parts,
    image_encoder,
    resblock_image_tower,
    resblock_text_tower,
    resnet_image_tower,
)


def _hugging_face_text_tower(model: Any) -> TextTower:
    text = model.text
    blocks = largest_block_list(text.transformer)
    first = type(text.pooler).__name__ in ("ClsPooler", "ClsLastHiddenStatePooler")
    # A dense layer that the model itself applies to its first position.
    dense = getattr(text.pooler, "use_pooler_output", False) and text.transformer.pooler

    def encode(inputs: Inputs) -> Tensor:
        return model.encode_text(inputs["input_ids"])

    def tail(state: Tensor) -> Tensor:
        return text.proj(dense(state[:, None]) if dense else state)

    room: dict[str, Any] = {"longest": text.context_length or 77}  # OpenCLIP's own default
    if has_parts(text.transformer, "embeddings.position_embeddings"):
        room = places(text.transformer.embeddings.position_embeddings)
    # Padding is hidden wherever it stands, and so cannot stand for a word.
    room["fillers"] = ("mask_token_id", "unk_token_id")
    return TextTower(
        model,
        blocks,
        encode,
        vocabulary=text.vocab_size,
        **room,
        last_block=attention_pooling(blocks[-1], tail) if first else None,
    )


def _timm_image_tower(model: Any) -> ImageTower:
    """Return an image tower that is a network of timm.

    Raises
    ------
    InputError
        When it is neither a transformer nor made of stages with feature maps.
    """
    trunk = model.visual.trunk
    encode = image_encoder(model)
    if has_parts(trunk, "blocks", "patch_embed.grid_size", "num_prefix_tokens"):
        return _timm_transformer(model, encode)
    if not has_parts(trunk, "stages") or getattr(trunk, "output_fmt", "NCHW") != "NCHW":
        raise InputError(
            "model",
            f"has timm's {type(trunk).__name__} for images, which is neither a transformer with a "
            "`patch_embed` nor made of `stages` of feature maps",
            "register its towers by fpattr_widget.register_family",
        )
    after = (getattr(trunk, name, None) for name in ("norm_pre", "final_conv", "norm", "head"))
    return ImageTower(
        model,
        trunk.stages,
        encode,
        patch=None,
        special=(),
        pooling=next((module for module in after if module is not None), None),
        arrangement=FEATURE_MAP,
    )


def _timm_transformer(model: Any, encode: Callable[[Inputs], Tensor]) -> ImageTower:
    trunk = model.visual.trunk
    size = as_pair(trunk.patch_embed.img_size)
    registers = trunk.num_prefix_tokens - (trunk.cls_token is not None)
    names = ["CLS"] * (trunk.cls_token is not None)

    def tail(state: Tensor) -> Tensor:
        return model.visual.head(trunk.forward_head(trunk.norm(state[:, None])))

    pools = trunk.global_pool
    last_block = {
        "token": lambda: attention_pooling(trunk.blocks[-1], tail),
        "map": lambda: _latent_pooling(model),
    }.get(pools, lambda: None)
    return ImageTower(
        model,
        trunk.blocks,
        encode,
        patch=[side // n for side, n in zip(size, trunk.patch_embed.grid_size, strict=True)],
        size=None if getattr(trunk, "dynamic_img_size", False) else size,
        special=(*names, *(f"register {i + 1}" for i in range(registers))),
        pooling=trunk.norm if pools == "map" else None,
        last_block=last_block(),
    )


def _latent_pooling(model: Any) -> LastBlock | None:
    """Describe timm's pooling head where it has one latent, as SigLIP's has."""
    trunk, head = model.visual.trunk, model.visual.trunk.attn_pool
    extras = (getattr(head, name, None) for name in ("pos_embed", "q_norm", "k_norm"))
    sees_all = trunk.num_prefix_tokens == 0 or getattr(trunk, "pool_include_prefix", False)
    if head.latent_len != 1 or not sees_all or not all(map(does_nothing, extras)):
        return None

    def finish(mixed: Tensor, _state: Tensor) -> Tensor:
        state = head.proj(mixed[:, 0])
        if head.mlp is not None:
            state = state + head.mlp(head.norm(state))
        return model.visual.head(trunk.head(trunk.head_drop(trunk.fc_norm(state))))

    def describe(_inputs: Inputs) -> AttentionPooling | None:
        called = [part for part in (head.q, head.proj, head.norm, head.mlp) if part is not None]
        if not may_be_bypassed(trunk.norm, head, read=[head.kv], called=called):
            return None
        norm = None if does_nothing(trunk.norm) else trunk.norm
        biases = (None, None) if head.kv.bias is None else head.kv.bias.chunk(2)
        key, value = zip(head.kv.weight.chunk(2), biases, strict=True)
        query = head.q(head.latent[0, 0])
        return AttentionPooling(norm, query, key, value, head.num_heads, None, None, finish)

    return describe


def _recognises(model: nn.Module) -> bool:
    if not has_parts(model, "encode_image", "encode_text", "visual"):
        return False
    text = any(has_parts(model, *parts) for parts in _TEXTS)
    return text and any(has_parts(model, *parts) for parts in _IMAGES)


def _towers(model: Any) -> tuple[TextTower, ImageTower]:
    text = next(tower(model) for parts, tower in _TEXTS.items() if has_parts(model, *parts))
    image = next(tower(model) for parts, tower in _IMAGES.items() if has_parts(model, *parts))
    return text, image


# Towers by the parts that identify them.
_TEXTS: dict[tuple[str, ...], Callable[[Any], TextTower]] = {
    ("text.transformer.resblocks", "text.token_embedding"): (
        lambda model: resblock_text_tower(model, model.text)
    ),
    ("text.transformer.config", "text.pooler", "text.proj"): _hugging_face_text_tower,
    ("transformer.resblocks", "token_embedding"): (lambda model: resblock_text_tower(model, model)),
}
_IMAGES: dict[tuple[str, ...], Callable[[Any], ImageTower]] = {
    ("visual.transformer.resblocks", "visual.conv1"): resblock_image_tower,
    ("visual.attnpool", "visual.conv1"): resnet_image_tower,
    ("visual.trunk", "visual.head"): _timm_image_tower,
}

OPEN_CLIP = Family("OpenCLIP", _recognises, _towers)
