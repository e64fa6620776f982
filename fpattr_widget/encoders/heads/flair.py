"""FLAIR: a caption attends to the patches of an image.

Xiao et al., "FLAIR: VLM with Fine-grained Language-informed Image Representations", CVPR 2025,
arXiv 2412.03561. With ``x_p`` the projected states of the patches and ``q`` that of the text,

    φ = softmax over patches of (W_k LN(x_p)) · (W_q LN(q)) / √size,
    o = concat_heads(Σ_p φ_p W_v LN(x_p)) W_o,

with biases, in each head, and the score is ``cos(o, q)``. The softmax has one place more, whose
key and value are zero: attention may go nowhere. A model is recognised by the parts that its
authors' class has; that class is never imported.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from .._family import Family
from .._head import cosines
from .._image import ImageTower
from .._inputs import Inputs
from .._read_out import ReadOut
from .._text import TextTower
from .._tower import as_pair
from ..families.openai_clip import has_parts, resblock_image_tower, resblock_text_tower
from ._flair_module import flair_of_weights

_Linear = tuple[Tensor, Tensor | None]


@dataclass(frozen=True, eq=False)
class FlairHead:
    """FLAIR's cross-attention of one query over the patches; see ``Head``.

    An image tower's output holds the projected states of CLS and of the patches,
    ``(1 + patches, C)``; a text tower's output is its projected state, ``(C,)``, from which the
    query is made and which is the embedding.

    Attributes
    ----------
    grid
        Rows and columns of patches.
    heads
        Number of attention heads.
    query_norm, key_norm, value_norm
        Normalise what becomes query, keys and values.
    query, key, value, output
        Weight ``(C, C)`` and bias ``(C,)`` of the attention's linear maps.
    """

    grid: tuple[int, int]
    heads: int
    query_norm: nn.LayerNorm
    key_norm: nn.LayerNorm
    value_norm: nn.LayerNorm
    query: _Linear
    key: _Linear
    value: _Linear
    output: _Linear

    def mix(self, image: Tensor, text: Tensor) -> Tensor:
        return self._read(self.routing(image, text), self._values(image))

    def embed(self, text: Tensor) -> Tensor:
        return text

    def frozen(self, image: Tensor, text: Tensor) -> Callable[[Tensor], Tensor]:
        weights = self.routing(image, text).detach()
        return lambda others: self._read(weights.to(others.dtype), self._values(others))

    def frozen_through(self, image: Tensor, text: Tensor, place: int) -> Callable[[Tensor], Tensor]:
        weights = self.routing(image, text).detach()
        alone = torch.zeros_like(weights)
        alone[:, 1 + place] = weights[:, 1 + place]

        def read(others: Tensor) -> Tensor:
            # Without the bias, which no place adds.
            return self._read(alone.to(others.dtype), self._values(others), has_bias=False)

        return read

    def routing(self, image: Tensor, text: Tensor) -> Tensor:
        """Return ``φ``, ``(..., heads, 1 + patches)``; the first goes nowhere; see ``Head.mix``."""
        keys = self._of_heads(_linear(_normalised(self._patches(image), self.key_norm), self.key))
        query = _linear(_normalised(text, self.query_norm), self.query)
        query = query.unflatten(-1, (self.heads, -1))
        products = torch.einsum("...phd,...hd->...hp", keys, query) * query.shape[-1] ** -0.5
        return nn.functional.pad(products, (1, 0)).softmax(-1)

    def read_out(self, image: Tensor, text: Tensor) -> ReadOut:
        """Return how a caption attends to an image's patches, and the score of CLS beside it.

        Parameters
        ----------
        image, text
            Outputs of the towers, ``(K_image,)`` and ``(K_text,)``.
        """
        image, text = image.double(), text.double()
        routing = self.routing(image, text)
        nowhere, weights = routing[:, 0], routing[:, 1:]
        embedded = self.embed(text)
        weight, bias = self.output
        directions = (embedded @ weight.double()).unflatten(0, (self.heads, -1))
        said = torch.einsum("phd,hd->hp", self._values(image), directions)
        length = self.mix(image, text).norm() * embedded.norm()
        cls = self._states(image)[0]
        return ReadOut(
            routes=tuple(f"head {number + 1}" for number in range(self.heads)),
            places=(),
            grid=self.grid,
            weights=weights.cpu().numpy(),
            nowhere=nowhere.cpu().numpy(),
            contributions=(weights * said / length).cpu().numpy(),
            constant=0.0 if bias is None else float(bias.double() @ embedded / length),
            similarity=float(cosines(self, image, text)),
            compared={
                "without the caption's choice": float(
                    nn.functional.cosine_similarity(cls, text, dim=0)
                )
            },
        )

    def _states(self, image: Tensor) -> Tensor:
        """Return the projected states of CLS and of the patches, ``(..., 1 + patches, C)``."""
        rows, columns = self.grid
        return image.unflatten(-1, (1 + rows * columns, -1))

    def _patches(self, image: Tensor) -> Tensor:
        return self._states(image)[..., 1:, :]

    def _values(self, image: Tensor) -> Tensor:
        """Return the values of an image's patches, ``(..., patches, heads, size)``."""
        normalised = _normalised(self._patches(image), self.value_norm)
        return self._of_heads(_linear(normalised, self.value))

    def _of_heads(self, projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (self.heads, -1))

    def _read(self, weights: Tensor, values: Tensor, *, has_bias: bool = True) -> Tensor:
        """Return what attention reads; what went nowhere has the value zero."""
        mixed = torch.einsum("...hp,...phd->...hd", weights[..., 1:], values)
        weight, bias = self.output
        return _linear(mixed.flatten(-2), (weight, bias if has_bias else None))


def _normalised(states: Tensor, norm: nn.LayerNorm) -> Tensor:
    weight, bias = (
        None if part is None else part.to(states.dtype) for part in (norm.weight, norm.bias)
    )
    return nn.functional.layer_norm(states, norm.normalized_shape, weight, bias, norm.eps)


def _linear(states: Tensor, linear: _Linear) -> Tensor:
    weight, bias = (None if part is None else part.to(states.dtype) for part in linear)
    assert weight is not None
    return nn.functional.linear(states, weight, bias)


def _recognises(model: nn.Module) -> bool:
    towers = (
        "encode_image",
        "encode_text",
        "visual.transformer.resblocks",
        "visual.conv1",
        "transformer.resblocks",
        "token_embedding",
    )
    # Shapes: of other sizes of keys or values, the attention has none of these weights.
    attention = ("in_proj_weight.shape", "in_proj_bias.shape", "out_proj.weight", "num_heads")
    own = (
        *(f"visual_proj.attn.{name}" for name in attention),
        *(f"visual_proj.ln_{name}.normalized_shape" for name in "qkv"),
        "image_post.proj",
        "text_post.proj",
    )
    if not has_parts(model, *towers, *own):
        return False
    adds_nothing = getattr(cast(Any, model), "text_projection", None) is None
    return adds_nothing and bool(cast(Any, model).visual_proj.attn.add_zero_attn)


def _towers(model: Any) -> tuple[TextTower, ImageTower]:
    def of_text(output: Any) -> Tensor:
        return cast(Tensor, model.text_post(output[0]))

    def of_image(output: Any) -> Tensor:
        cls, patches = output
        states = torch.cat([cls[:, None], patches], 1)
        return cast(Tensor, model.image_post(states).flatten(1))

    def tail(state: Tensor) -> Tensor:
        return cast(Tensor, model.text_post(model.ln_final(state)))

    def of_all(states: Tensor) -> Tensor:
        return cast(Tensor, model.image_post(model.visual.ln_post(states)).flatten(1))

    def everywhere(inputs: Inputs) -> range:
        sizes = zip(inputs["pixel_values"].shape[-2:], model.visual.conv1.stride, strict=True)
        return range(1 + math.prod(side // patch for side, patch in sizes))

    return (
        resblock_text_tower(model, model, embedding=of_text, tail=tail),
        resblock_image_tower(model, embedding=of_image, tail=of_all, read=everywhere),
    )


def _head(model: Any) -> FlairHead:
    attention, visual = model.visual_proj.attn, model.visual
    sides = as_pair(visual.image_size), as_pair(visual.conv1.kernel_size)
    rows, columns = (size // patch for size, patch in zip(*sides, strict=True))
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    query, key, value = zip(weights, biases, strict=True)
    return FlairHead(
        grid=(rows, columns),
        heads=int(attention.num_heads),
        query_norm=model.visual_proj.ln_q,
        key_norm=model.visual_proj.ln_k,
        value_norm=model.visual_proj.ln_v,
        query=query,
        key=key,
        value=value,
        output=(attention.out_proj.weight, attention.out_proj.bias),
    )


FLAIR = Family("FLAIR", _recognises, _towers, head=_head, of_weights=flair_of_weights)
