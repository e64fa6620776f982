"""Llip: a caption chooses how the mixture tokens of an image are mixed.

Lavoie et al., "Modeling Caption Diversity in Contrastive Vision-Language Pretraining", ICML
2024, arXiv 2405.00740. The image tower has ``N`` learnt tokens beside its patches; each becomes
a key and a value. The text tower gives a query and an embedding ``t``. In each head,

    φ_n = softmax_n(K_n · Q / weight_scale),    z = concat_heads(Σ_n φ_n V_n) W_o,

and the score is ``cos(z, t)``. A model is recognised by the parts that its authors' class has;
that class is never imported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...errors import InputError
from .._family import Family
from .._head import cosines
from .._image import ImageTower
from .._read_out import ReadOut
from .._text import TextTower
from ..families.openai_clip import has_parts, resblock_image_tower, resblock_text_tower
from ._llip_module import llip_of_weights

_REMEDY = (
    "call load_encoder(…, weight_scale=5), as for ViT-B/32, B/16, H/14 and G/14, or 1, as for L/14"
)


@dataclass(frozen=True, eq=False)
class LlipHead:
    """Llip's cross-attention of one query over the mixture tokens; see ``Head``.

    Attributes
    ----------
    tokens, heads, size
        Number of mixture tokens, number of attention heads, and numbers in a key of a head.
        An image tower's output holds keys, then values, ``(2, heads, tokens, size)``; a text
        tower's output holds the query and the embedding, ``(2, heads · size)``.
    output
        ``W_o``, ``(C, C)`` with ``C = heads · size``.
    weight_scale
        What products of keys and queries are divided by.
    """

    tokens: int
    heads: int
    size: int
    output: Tensor
    weight_scale: float

    def mix(self, image: Tensor, text: Tensor) -> Tensor:
        weights = self.routing(image, text)
        mixed = torch.einsum("...hn,...hnd->...hd", weights, self._keys_and_values(image)[1])
        return mixed.flatten(-2) @ self.output.to(mixed.dtype)

    def embed(self, text: Tensor) -> Tensor:
        return text[..., self.heads * self.size :]

    def frozen(self, image: Tensor, text: Tensor) -> Callable[[Tensor], Tensor]:
        return self._reading(self.routing(image, text).detach())

    def frozen_through(self, image: Tensor, text: Tensor, place: int) -> Callable[[Tensor], Tensor]:
        weights = self.routing(image, text).detach()
        alone = torch.zeros_like(weights)
        alone[:, place] = weights[:, place]
        return self._reading(alone)

    def _reading(self, weights: Tensor) -> Callable[[Tensor], Tensor]:
        """Return what reads the values with these weights ``(heads, tokens)``."""

        def read(others: Tensor) -> Tensor:
            values = self._keys_and_values(others)[1]
            mixed = torch.einsum("hn,...hnd->...hd", weights.to(values.dtype), values)
            return mixed.flatten(-2) @ self.output.to(mixed.dtype)

        return read

    def routing(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the mixing weights ``φ``, ``(..., heads, tokens)``; see ``Head.mix``."""
        keys = self._keys_and_values(image)[0]
        query = text[..., : self.heads * self.size].unflatten(-1, (self.heads, self.size))
        products = torch.einsum("...hnd,...hd->...hn", keys, query)
        return (products / self.weight_scale).softmax(-1)

    @property
    def places(self) -> tuple[str, ...]:
        """The names of what is read."""
        return mixture_names(self.tokens)

    def read_out(self, image: Tensor, text: Tensor) -> ReadOut:
        """Return how a caption mixes an image's tokens.

        Parameters
        ----------
        image, text
            Outputs of the towers, ``(K_image,)`` and ``(K_text,)``.
        """
        image, text = image.double(), text.double()
        weights = self.routing(image, text)
        embedded = self.embed(text)
        directions = (self.output.double() @ embedded).unflatten(0, (self.heads, self.size))
        said = torch.einsum("hnd,hd->hn", self._keys_and_values(image)[1], directions)
        length = self.mix(image, text).norm() * embedded.norm()
        return ReadOut(
            routes=tuple(f"head {number + 1}" for number in range(self.heads)),
            places=self.places,
            grid=None,
            weights=weights.cpu().numpy(),
            nowhere=None,
            contributions=(weights * said / length).cpu().numpy(),
            constant=0.0,
            similarity=float(cosines(self, image, text)),
        )

    def _keys_and_values(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values, each ``(..., heads, tokens, size)``."""
        keys, values = image.unflatten(-1, (2, self.heads, self.tokens, self.size)).unbind(-4)
        return keys, values


def mixture_names(tokens: int) -> tuple[str, ...]:
    """Return the names of mixture tokens."""
    return tuple(f"mixture {number + 1}" for number in range(tokens))


def _flat(pair: Any) -> Tensor:
    """Return both parts of a tower's output, each flattened, one after the other: ``(B, K)``."""
    first, second = pair
    return torch.cat([first.flatten(1), second.flatten(1)], 1)


def _recognises(model: nn.Module) -> bool:
    paths = (
        "encode_image",
        "encode_text",
        "visual.class_embedding",
        "visual.transformer.resblocks",
    )
    own = ("k_proj", "v_proj", "q_proj", "pred.out_proj", "num_heads", "text_projection")
    if not has_parts(model, *paths, *own, "transformer.resblocks", "token_embedding"):
        return False
    return cast(Any, model).visual.class_embedding.ndim == 2


def _towers(model: Any) -> tuple[TextTower, ImageTower]:
    norm = getattr(model, "Q_norm", nn.Identity())

    def tail(state: Tensor) -> Tensor:
        state = model.ln_final(state)
        return torch.cat([norm(state @ model.q_proj), state @ model.text_projection], -1)

    def of_tokens(states: Tensor) -> Tensor:
        states = model.visual.ln_post(states)
        parts = []
        for weights, norm in ((model.k_proj, "K_norm"), (model.v_proj, "V_norm")):
            # One by one: a batched product would copy the weights for each direction.
            pairs = zip(states.unbind(1), weights, strict=True)
            projected = torch.stack([state @ weight for state, weight in pairs], 1)
            projected = getattr(model, norm, nn.Identity())(projected)
            of_heads = projected.unflatten(-1, (model.num_heads, -1)).transpose(1, 2)
            parts.append(of_heads.flatten(1))
        return torch.cat(parts, 1)

    tokens = len(model.visual.class_embedding)
    names = mixture_names(tokens)
    return (
        # Its attribute `pool_type` is the images'.
        resblock_text_tower(model, model, embedding=_flat, tail=tail, pooled="argmax"),
        resblock_image_tower(
            model,
            embedding=_flat,
            special=names,
            tail=of_tokens,
            read=lambda _: range(tokens),
        ),
    )


def _head(model: Any, weight_scale: float | None = None) -> LlipHead:
    scale = getattr(model, "weight_scale", None) if weight_scale is None else weight_scale
    if scale is None:
        raise InputError(
            "weight_scale",
            "is missing: what a Llip divides its routing's products by is part of no checkpoint",
            _REMEDY,
        )
    tokens, _, length = model.k_proj.shape
    heads = int(model.num_heads)
    return LlipHead(tokens, heads, length // heads, model.pred.out_proj, float(scale))


LLIP = Family("Llip", _recognises, _towers, head=_head, of_weights=llip_of_weights)
