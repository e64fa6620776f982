"""A FLAIR with the parts and names of the published checkpoints, whose sizes its weights tell."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ._clip_module import (
    ClipModule,
    TowerSizes,
    at_ends,
    module_of_weights,
    random_projection,
    tower_sizes,
)

# Heads of the attention to patches in all published models, which no shape shows.
_HEADS = 8
# Names by which a checkpoint is taken for a FLAIR, complete or not.
_MARKS = ("image_post.proj", "text_post.proj", "visual_proj.attn.in_proj_weight")


@dataclass(frozen=True, kw_only=True)
class FlairSizes(TowerSizes):
    """Sizes of a FLAIR.

    Attributes
    ----------
    shared, heads
        The shared space's dimensions, and heads of the attention to patches.
    """

    shared: int
    heads: int = _HEADS

    @staticmethod
    def of_weights(weights: Mapping[str, Tensor], head_size: int | None = None) -> "FlairSizes":
        """Return the sizes that follow from a checkpoint's shapes.

        Raises
        ------
        KeyError
            When one of the weights that tell them is missing.
        ValueError
            When they do not fit each other.
        """
        _, shared = weights["text_post.proj"].shape
        return FlairSizes(**vars(tower_sizes(weights, 1, head_size)), shared=shared)


class Flair(ClipModule):
    """A FLAIR; its state dict has the names of the published checkpoints.

    Parameters
    ----------
    sizes
        Of its parts.
    """

    def __init__(self, sizes: FlairSizes):
        super().__init__(sizes, (sizes.image_width,), nn.GELU)
        self.text_projection = None
        self.image_post = _Projection(sizes.image_width, sizes.shared)
        self.text_post = _Projection(sizes.text_width, sizes.shared)
        self.visual_proj = _AttentionToPatches(sizes.shared, sizes.heads)

    def encode_image(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states of CLS ``(B, width)`` and of the patches ``(B, patches, width)``.

        Parameters
        ----------
        image
            Preprocessed, ``(B, 3, h, w)``.
        """
        states = self.visual(image)
        return states[:, 0], states[:, 1:]

    def encode_text(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states at the texts' ends ``(B, width)``, and all ``(B, longest, width)``.

        Parameters
        ----------
        text
            Token ids, ``(B, longest)``, whose highest id ends the text.
        """
        states = self.text_states(text)
        return at_ends(states, text), states


class _Projection(nn.Module):
    def __init__(self, width: int, shared: int):
        super().__init__()
        self.proj = random_projection(width, shared)

    def forward(self, states: Tensor) -> Tensor:
        return states @ self.proj


class _AttentionToPatches(nn.Module):
    """Holds the weights that :class:`FlairHead` reads."""

    def __init__(self, shared: int, heads: int):
        super().__init__()
        self.attn = nn.MultiheadAttention(shared, heads, add_zero_attn=True, batch_first=True)
        self.ln_q, self.ln_k, self.ln_v = (nn.LayerNorm(shared) for _ in range(3))


def flair_of_weights(
    weights: Mapping[str, Tensor], head_size: int | None = None
) -> nn.Module | None:
    """Return the FLAIR of a checkpoint's weights; ``None`` where they are no FLAIR's.

    Parameters
    ----------
    weights
        By their names, without prefixes.
    head_size
        Numbers in an attention head of both towers; ``None`` for those of the published models.

    Raises
    ------
    InputError
        When weights of a FLAIR are missing, are too many, or do not fit each other.
    """
    if not any(name in weights for name in _MARKS):
        return None
    return module_of_weights(
        "FLAIR", weights, lambda: Flair(FlairSizes.of_weights(weights, head_size))
    )
