"""What the package must know of a family of dual encoders."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from .tower import Tower


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes
    ----------
    name
        As its authors write it.
    model_types
        Values of ``model.config.model_type``.
    towers
        Makes the (text, image) towers of a loaded model.
    image_special
        Names of the positions that stand before the patches.
    """

    name: str
    model_types: tuple[str, ...]
    towers: Callable[[Any], tuple[Tower, Tower]]
    image_special: tuple[str, ...]


def largest_block_list(module: nn.Module) -> nn.ModuleList:
    """Return the tower's blocks: the homogeneous list with the most parameters."""

    def size(blocks: nn.ModuleList) -> int:
        return sum(weight.numel() for weight in blocks.parameters())

    lists = [
        candidate
        for candidate in module.modules()
        if isinstance(candidate, nn.ModuleList) and len({type(block) for block in candidate}) == 1
    ]
    return max(lists, key=size)
