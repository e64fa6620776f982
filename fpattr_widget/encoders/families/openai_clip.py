"""CLIP in the layout of OpenAI's package, and the parts that OpenCLIP shares with it.

Models are recognised by their parts: the packages are never imported.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import InputError
from .._family import Family
from .._image import ImageTower
from .._inputs import Inputs
from .._last_block import Tail, attention_pooling, attention_reading
from .._text import TextTower
from .._tower import Arrangement, LastBlock, as_pair
from .align import FEATURE_MAP
from .clip import end_of_text


def has_parts(model: Any, *paths: str) -> bool:
    """Return whether ``model`` has a part at each of these dotted paths."""
    try:
        attrgetter(*paths)(model)
    except AttributeError:
        return False
    return True


def resblock_text_tower(
    model: Any,
    text: Any,
    *,
    embedding: Callable[[Any], Tensor] = lambda output: output,
    tail: Callable[[Tensor], Tensor] | None = None,
    pooled: str | None = None,
) -> TextTower:
    """Return the text tower of a model with OpenAI's text modules.

    A causal tower runs at its full length, for which its mask is made. The pooled
    position does not attend to what follows the end of the caption, so
    that the features are the caption's own tokens.

    Parameters
    ----------
    model
        Has ``encode_text``.
    text
        Holds the modules: the model itself, or a part of it.
    embedding
        Returns the embeddings ``(B, K)`` that are part of what ``encode_text`` returns.
    tail
        What the tower does with the pooled state ``(B, width)`` after the last block, if that
        is not to normalise and to project it.
    pooled
        Which position is pooled; ``None`` for what the model's own attributes say.

    Raises
    ------
    InputError
        When the tower does not pool its text at the position of a token.
    """
    blocks = text.transformer.resblocks
    longest = len(text.positional_embedding)
    said: str = getattr(text, "text_pool_type", getattr(text, "pool_type", "argmax"))
    pools = said if pooled is None else pooled
    if pools == "none" or getattr(text, "cls_emb", None) is not None:
        raise InputError(
            "model",
            "pools its text at a position that holds no token (as CoCa does) or not at all",
            "pass a model that pools it at a token",
        )
    ends: dict[str, Callable[[Inputs], int]] = {
        "argmax": end_of_text(None),
        "eos": end_of_text(getattr(text, "text_eos_id", getattr(text, "eos_id", None))),
        "first": lambda _: 0,
        "last": lambda inputs: inputs["input_ids"].shape[1] - 1,
    }
    masks = [getattr(part, "attn_mask", None) for part in (text, blocks[0])]
    causal = any(mask is not None for mask in masks)
    own_length = causal and pools in ("argmax", "eos")

    def encode(inputs: Inputs) -> Tensor:
        ids = inputs["input_ids"]
        if own_length:
            ids = nn.functional.pad(ids, (0, longest - ids.shape[1]))
        return embedding(model.encode_text(ids))

    def projected(state: Tensor) -> Tensor:
        return _project(text.ln_final(state), text.text_projection)

    return TextTower(
        model,
        blocks,
        encode,
        vocabulary=text.token_embedding.num_embeddings,
        longest=longest,
        padded=not own_length,
        end=ends[pools],
        last_block=None
        if getattr(text, "use_pad_mask", False)
        else attention_pooling(blocks[-1], tail or projected, ends[pools], causal=causal),
        arrangement=_arrangement(text.transformer),
    )


def resblock_image_tower(
    model: Any,
    *,
    embedding: Callable[[Any], Tensor] | None = None,
    special: tuple[str, ...] = ("CLS",),
    tail: Tail | None = None,
    read: Callable[[Inputs], Sequence[int]] = lambda _: (0,),
) -> ImageTower:
    """Return the image tower of a model whose ``visual`` is OpenAI's vision transformer.

    Parameters
    ----------
    model
        Has ``encode_image``.
    embedding
        Returns the embeddings ``(B, K)`` that are part of what ``encode_image`` returns, where
        that reads more than the state of CLS.
    special
        Names of the positions before the patches.
    tail, read
        What the tower does after the last block with the states at some positions, and which
        they are, where that is known and ``embedding`` is given; see :func:`attention_reading`.
    """
    visual = model.visual
    blocks = visual.transformer.resblocks

    def projected(state: Tensor) -> Tensor:
        return _project(visual.ln_post(state), visual.proj)

    pooler = getattr(visual, "attn_pool", None)
    pools_cls = (
        embedding is None and pooler is None and getattr(visual, "pool_type", "tok") == "tok"
    )
    last_block: LastBlock | None = None
    if pools_cls:
        last_block = attention_pooling(blocks[-1], projected)
    elif tail is not None:
        last_block = attention_reading(blocks[-1], tail, read)
    two = getattr(visual, "attn_pool_contrastive", None) is not None
    # The module that the last block's output enters next, unless it is transposed before.
    encode = image_encoder(model)
    next_module = None if two or not _batch_first(visual.transformer) else pooler
    return ImageTower(
        model,
        blocks,
        encode if embedding is None else lambda inputs: embedding(encode(inputs)),
        patch=visual.conv1.kernel_size,
        size=_size(visual),
        special=special,
        pooling=next_module,
        last_block=last_block,
        arrangement=_arrangement(visual.transformer),
    )


def resnet_image_tower(model: Any) -> ImageTower:
    """Return the image tower of a model whose ``visual`` is OpenAI's modified ResNet."""
    visual = model.visual
    return ImageTower(
        model,
        [block for layer in range(1, 5) for block in getattr(visual, f"layer{layer}")],
        image_encoder(model),
        patch=None,
        size=_size(visual),
        special=(),
        pooling=visual.attnpool,
        arrangement=FEATURE_MAP,
    )


def image_encoder(model: Any) -> Callable[[Inputs], Tensor]:
    """Return ``model.encode_image`` for pixels of any type, converted to its first layer's."""
    layers = model.visual.modules()
    first = next(layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear))
    return lambda inputs: model.encode_image(inputs["pixel_values"].to(first.weight.dtype))


def _project(state: Tensor, projection: Any) -> Tensor:
    if projection is None:
        return state
    return projection(state) if isinstance(projection, nn.Module) else state @ projection


def _size(visual: Any) -> tuple[int, int]:
    return as_pair(getattr(visual, "image_size", None) or visual.input_resolution)


def _batch_first(transformer: Any) -> bool:
    """Return whether states are (B, positions, width), and not OpenAI's (positions, B, width)."""
    return getattr(transformer, "batch_first", False)


def _arrangement(transformer: Any) -> Arrangement:
    def batch_first(states: Tensor) -> Tensor:
        return states if _batch_first(transformer) else states.transpose(0, 1)

    def pack(states: Tensor, inputs: Inputs) -> Tensor:
        count = inputs["input_ids"].shape[1] if "input_ids" in inputs else None
        return batch_first(states)[:, :count]

    def unpack(features: Tensor, states: Tensor) -> Tensor:
        padding = batch_first(states)[:, features.shape[1] :].expand(len(features), -1, -1)
        return batch_first(torch.cat([features, padding], 1))

    return Arrangement(pack, unpack)


def _recognises(model: Any) -> bool:
    # Each of OpenAI's blocks has its own mask; OpenCLIP's get theirs as an argument.
    paths = ("encode_image", "encode_text", "visual.conv1", "token_embedding")
    return has_parts(model, *paths, "transformer.resblocks") and any(
        has_parts(block, "attn_mask") for block in model.transformer.resblocks
    )


def _towers(model: Any) -> tuple[TextTower, ImageTower]:
    resnet = has_parts(model, "visual.attnpool")
    return (
        resblock_text_tower(model, model),
        resnet_image_tower(model) if resnet else resblock_image_tower(model),
    )


OPENAI_CLIP = Family("OpenAI's CLIP", _recognises, _towers)
