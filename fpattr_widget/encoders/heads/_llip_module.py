"""A Llip with the parts and names of the published checkpoints, whose sizes its weights tell."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._clip_module import (
    ClipModule,
    QuickGELU,
    TowerSizes,
    at_ends,
    module_of_weights,
    random_projection,
    tower_sizes,
)

# Heads of the mixing attention in both published models, which no shape shows.
_MIXING_HEADS = 8
# Names by which a checkpoint is taken for a Llip, complete or not; the last is the older one.
_MARKS = ("k_proj", "v_proj", "q_proj", "pred.out_proj", "out_proj")


@dataclass(frozen=True, kw_only=True)
class LlipSizes(TowerSizes):
    """Sizes of a Llip.

    Attributes
    ----------
    tokens, shared, heads
        Mixture tokens, the shared space's dimensions, and heads of the mixing attention.
    use_norm
        Whether keys, values and queries are normalised.
    """

    tokens: int
    shared: int
    heads: int = _MIXING_HEADS
    use_norm: bool = False

    @staticmethod
    def of_weights(weights: Mapping[str, Tensor], head_size: int | None = None) -> "LlipSizes":
        """Return the sizes that follow from a checkpoint's shapes.

        Raises
        ------
        KeyError
            When one of the weights that tell them is missing.
        ValueError
            When they do not fit each other.
        """
        tokens, _, shared = weights["k_proj"].shape
        mixture, _ = weights["visual.class_embedding"].shape
        if mixture != tokens:
            raise ValueError(f"{tokens} keys of {mixture} mixture tokens")
        if shared % _MIXING_HEADS:
            raise ValueError(f"{_MIXING_HEADS} heads do not divide {shared} dimensions")
        use_norm = "K_norm.weight" in weights
        towers = vars(tower_sizes(weights, tokens, head_size))
        return LlipSizes(**towers, tokens=tokens, shared=shared, use_norm=use_norm)


class Llip(ClipModule):
    """A Llip; its state dict has the names of the published checkpoints.

    Attributes
    ----------
    weight_scale
        What products of keys and queries are divided by, where that is known of the weights.

    Parameters
    ----------
    sizes
        Of its parts.
    """

    weight_scale: float | None = None

    def __init__(self, sizes: LlipSizes):
        super().__init__(sizes, (sizes.tokens, sizes.image_width), QuickGELU)
        text_width, shared = sizes.text_width, sizes.shared
        self.num_heads = sizes.heads
        self.text_projection = random_projection(text_width, shared)
        self.q_proj = random_projection(text_width, shared)
        of_tokens = sizes.tokens, sizes.image_width, shared
        self.k_proj, self.v_proj = (random_projection(*of_tokens) for _ in range(2))
        self.K_norm, self.V_norm, self.Q_norm = (
            nn.LayerNorm(shared) if sizes.use_norm else nn.Identity() for _ in range(3)
        )
        self.pred = _Mixing(shared)

    def encode_image(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of the mixture tokens, each ``(B, heads, tokens, size)``.

        Parameters
        ----------
        image
            Preprocessed, ``(B, 3, h, w)``.
        """
        states = self.visual(image)[:, : len(self.k_proj)]

        def of_heads(weights: Tensor, norm: nn.Module) -> Tensor:
            projected: Tensor = norm(torch.einsum("bnw,nwc->bnc", states, weights))
            return projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

        return of_heads(self.k_proj, self.K_norm), of_heads(self.v_proj, self.V_norm)

    def encode_text(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries ``(B, heads, size)`` and embeddings ``(B, C)``.

        Parameters
        ----------
        text
            Token ids, ``(B, longest)``, whose highest id ends the text.
        """
        state = at_ends(self.text_states(text), text)
        query = self.Q_norm(state @ self.q_proj).unflatten(-1, (self.num_heads, -1))
        return query, state @ self.text_projection


class _Mixing(nn.Module):
    """Holds ``W_o``, which :class:`LlipHead` reads."""

    def __init__(self, shared: int):
        super().__init__()
        self.out_proj = random_projection(shared, shared)


def llip_of_weights(
    weights: Mapping[str, Tensor], head_size: int | None = None
) -> nn.Module | None:
    """Return the Llip of a checkpoint's weights; ``None`` where they are no Llip's.

    Parameters
    ----------
    weights
        By their names, without prefixes.
    head_size
        Numbers in an attention head of both towers; ``None`` for those of the published models.

    Raises
    ------
    InputError
        When weights of a Llip are missing, are too many, or do not fit each other.
    """
    if not any(name in weights for name in _MARKS) or "visual.class_embedding" not in weights:
        return None
    named = dict(weights)
    if "out_proj" in named and "pred.out_proj" not in named:
        named["pred.out_proj"] = named.pop("out_proj")
    return module_of_weights("Llip", named, lambda: Llip(LlipSizes.of_weights(named, head_size)))
