"""Small random FLAIRs in the layout of the published checkpoints."""

from typing import Any

import torch
from torch import Tensor, nn

import fpattr_widget as fp
from fpattr_widget.encoders.heads._flair_module import Flair, FlairSizes
from tests.helpers import family_checks as checks
from tests.helpers.families.llip import CAPTION, SMALL_TOWERS, processor

__all__ = ["CAPTION", "by_torch", "flair", "flair_encoder", "processor"]


def flair(
    dtype: torch.dtype = torch.float64, *, has_bias: bool = True, seed: int = 0, scale: float = 0.15
) -> Any:
    """Return a FLAIR of two or three small blocks, far from linear."""
    torch.manual_seed(seed)
    sizes = FlairSizes(
        **SMALL_TOWERS,
        shared=16,
        has_bias=has_bias,
    )
    return checks.far_from_linear(Flair(sizes), dtype, scale=scale, seed=seed)


def flair_encoder(dtype: torch.dtype = torch.float64, **sizes: Any) -> fp.DualEncoder:
    return fp.load_encoder(flair(dtype, **sizes), processor=processor())


def by_torch(model: Any, patches: Tensor, query: Tensor, text: Tensor) -> tuple[Tensor, ...]:
    """Return what torch's own attention makes of one pair, its weights, and the text's embedding.

    Parameters
    ----------
    model
        A FLAIR.
    patches, query, text
        Normalised states of the towers: ``(patches, width)``, and those of the text that asks and
        of the text that is compared, ``(width,)``.

    Returns
    -------
    (torch.Tensor, torch.Tensor, torch.Tensor)
        ``o`` (C,), weights ``(heads, patches + 1)`` of which the last go nowhere, and ``q`` (C,).
    """
    block, seen = model.visual_proj, model.image_post(patches)[None]
    asks = model.text_post(query)[None, None]
    with nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
        read, weights = block.attn(
            block.ln_q(asks), block.ln_k(seen), block.ln_v(seen), average_attn_weights=False
        )
    return read[0, 0], weights[0, :, 0], model.text_post(text)
