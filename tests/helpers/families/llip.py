"""Small random Llips in the layout of the published checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPImageProcessor

import fpattr_widget as fp
from fpattr_widget.encoders.heads._llip_module import Llip, LlipSizes
from tests.helpers import family_checks as checks
from tests.helpers.families.openai_clip import VOCABULARY, simple

CAPTION = "a red dog and a ball"
LENGTH, SIDE = 12, 24
#: Sizes of two or three small blocks, of a Llip or a FLAIR.
SMALL_TOWERS: dict[str, int] = {
    "image_width": 64,
    "image_blocks": 3,
    "image_hidden": 48,
    "patch": 8,
    "grid": SIDE // 8,
    "text_width": 64,
    "text_blocks": 2,
    "text_hidden": 48,
    "vocabulary": VOCABULARY,
    "longest": LENGTH,
}


def llip(
    dtype: torch.dtype = torch.float64,
    *,
    tokens: int = 3,
    use_norm: bool = False,
    has_bias: bool = True,
    seed: int = 0,
    scale: float = 0.15,
) -> Any:
    """Return a Llip of two or three small blocks, far from linear."""
    torch.manual_seed(seed)
    sizes = LlipSizes(
        **SMALL_TOWERS,
        tokens=tokens,
        shared=16,
        use_norm=use_norm,
        has_bias=has_bias,
    )
    model = Llip(sizes)
    model.pool_type = "first"  # which is not how a text is pooled; the authors' class has it too
    return checks.far_from_linear(model, dtype, scale=scale, seed=seed)


def processor() -> checks.Processor:
    crop = {"height": SIDE, "width": SIDE}
    return checks.Processor(
        simple, CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=crop)
    )


def llip_encoder(
    dtype: torch.dtype = torch.float64, *, weight_scale: float = 0.5, **sizes: Any
) -> fp.DualEncoder:
    return fp.load_encoder(llip(dtype, **sizes), processor=processor(), weight_scale=weight_scale)


def saved(folder: Path, weights: Mapping[str, Tensor], name: str = "llip.pt") -> Path:
    """Write a checkpoint as training scripts do."""
    path = folder / name
    torch.save({"epoch": 3, "state_dict": dict(weights)}, path)
    return path


def by_hand(
    model: Any, weight_scale: float, image: tuple[Tensor, Tensor], text: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return ``z`` and ``t`` of one pair, written out head by head and token by token."""
    keys, values = (each[0] for each in image)  # (heads, tokens, size)
    query, embedding = text[0][0], text[1][0]
    read = []
    for head in range(len(query)):
        powers = [torch.exp((key * query[head]).sum() / weight_scale) for key in keys[head]]
        mixed = sum(power * value for power, value in zip(powers, values[head], strict=True)) / sum(
            powers
        )
        read.append(mixed)
    return torch.cat(read) @ model.pred.out_proj, embedding
