"""What the package must know of a family of dual encoders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ._last_block import Inputs
from ._tower import PLAIN, Arrangement, LastBlock, Pass, Tower, repeat_inputs


class TextTower(Tower):
    """A text encoder, and how it takes a caption.

    Parameters
    ----------
    model, blocks, encode, last_block, arrangement
        See :class:`.Tower`. ``encode`` gets ``input_ids`` (B, S), and where
        tokens are to be hidden ``attention_mask``.
    vocabulary
        Number of token ids.
    longest
        Most tokens, special ones included.
    padded
        Whether the tower always sees ``longest`` positions, padding included.
    end
        Finds the position that stands for the whole caption, for the reference
        of the published code; the last one unless told.
    fillers
        Attributes of a tokenizer that name a token which says nothing, best
        first.
    masks
        Whether ``encode`` takes an ``attention_mask``.
    """

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module] | nn.ModuleList | nn.Sequential,
        encode: Callable[[Inputs], Tensor],
        *,
        vocabulary: int,
        longest: int,
        padded: bool = False,
        end: Callable[[Inputs], int] = lambda inputs: inputs["input_ids"].shape[1] - 1,
        fillers: Sequence[str] = ("pad_token_id", "unk_token_id", "mask_token_id"),
        masks: bool = False,
        last_block: LastBlock | None = None,
        arrangement: Arrangement = PLAIN,
    ):
        super().__init__(
            "text", model, blocks, encode, last_block=last_block, arrangement=arrangement
        )
        self.vocabulary = vocabulary
        self.longest = longest
        self.padded = padded
        self.end = end
        self.fillers = tuple(fillers)
        self.masks = masks

    def features(self, inputs: Inputs, layer: int) -> Tensor:
        """Return what enters block ``layer`` token by token, ``(tokens, width)``."""
        features = super().features(inputs, layer)
        count = inputs["input_ids"].shape[1]
        if len(features) != count:
            raise InputError(
                f"`blocks` of the text tower take states from which {len(features)} features are "
                f"read for {count} tokens: their first argument has to be (B, tokens, width), or "
                "`arrangement` to say how it lies."
            )
        return features

    def _encode(self, inputs: Inputs, count: int = 1, passing: Pass | None = None) -> Tensor:
        try:
            return super()._encode(inputs, count, passing)
        except IndexError as error:
            ids = inputs["input_ids"]
            raise InputError(
                f"`encode` of the text tower cannot look up {ids.shape[1]} tokens with ids up to "
                f"{int(ids.max())}: correct its `vocabulary` of {self.vocabulary} ids or its "
                f"`longest` of {self.longest} tokens."
            ) from error

    def keep_tokens(self, inputs: Inputs, kept: Tensor) -> Inputs:
        """Return a batch in which the attention mask hides all tokens but some.

        Parameters
        ----------
        inputs
            One input.
        kept
            Boolean, ``(B, S)``.
        """
        mask = kept.to(inputs["input_ids"].dtype)
        if "attention_mask" in inputs:
            mask = mask * inputs["attention_mask"]
        return {**repeat_inputs(inputs, len(kept)), "attention_mask": mask}


class ImageTower(Tower):
    """An image encoder, and how it takes pictures.

    Parameters
    ----------
    model, blocks, encode, pooling, last_block, arrangement
        See :class:`.Tower`. ``encode`` gets ``pixel_values`` (B, channels, h, w)
        and whatever else the image processor returns.
    patch
        Side of a patch in pixels, or ``(height, width)``; ``None`` where
        features are the cells of a feature map (B, width, rows, columns), as
        in a convolutional tower.
    size
        ``(h, w)`` that the tower takes; ``None`` for any.
    channels
        Of ``pixel_values``.
    special
        Names of the positions that stand before the patches; ``None`` to find
        out how many there are.
    packed
        Whether pictures keep their proportions and come as rows of patches,
        ``pixel_values`` (B, patches, patch · patch · channels), with
        ``spatial_shapes`` (B, 2).
    """

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module] | nn.ModuleList | nn.Sequential,
        encode: Callable[[Inputs], Tensor],
        *,
        patch: int | Sequence[int] | None,
        size: tuple[int, int] | None = None,
        channels: int = 3,
        special: tuple[str, ...] | None = None,
        packed: bool = False,
        pooling: nn.Module | None = None,
        last_block: LastBlock | None = None,
        arrangement: Arrangement = PLAIN,
    ):
        super().__init__(
            "image",
            model,
            blocks,
            encode,
            pooling=pooling,
            last_block=last_block,
            arrangement=arrangement,
        )
        self.patch = None if patch is None else as_pair(patch)
        self.size = size
        self.channels = channels
        self.special = special
        self.packed = packed

    @property
    def tells_layout(self) -> bool:
        """Whether the grid is known without running the tower."""
        return self.special is not None and (self.packed or self.patch is not None)

    def layout(self, inputs: Inputs, layer: int) -> tuple[tuple[int, int], tuple[str, ...]]:
        """Return ``(rows, columns)`` of patches and the names of the positions before them.

        Where the family does not say, they are read off the states that enter
        block ``layer``.
        """
        if self.packed:
            rows, columns = inputs["spatial_shapes"][0].tolist()
        elif self.patch is None:
            rows, columns = self.read(inputs, layer).states.shape[-2:]
        else:
            height, width = inputs["pixel_values"].shape[-2:]
            rows, columns = height // self.patch[0], width // self.patch[1]
        if self.special is not None:
            return (rows, columns), self.special
        count = len(self.features(inputs, layer))
        while rows * columns > count:  # a tower in stages that merge patches, two by two
            rows, columns = -(-rows // 2), -(-columns // 2)
        count -= rows * columns
        if count > rows * columns:
            raise InputError(
                f"`patch` of the image tower makes {rows} × {columns} patches, and leaves {count} "
                "positions over: correct it, or name these positions by `special`."
            )
        special = ("CLS", *(f"register {i + 1}" for i in range(count - 1)))
        return (rows, columns), special[:count]

    def features(self, inputs: Inputs, layer: int) -> Tensor:
        """Return what enters block ``layer`` position by position, ``(features, width)``."""
        features = super().features(inputs, layer)
        if self.special is not None:
            (rows, columns), special = self.layout(inputs, layer)
            if len(features) != rows * columns + len(special):
                raise InputError(
                    f"`patch` of the image tower makes {rows} × {columns} patches, and `special` "
                    f"names {len(special)} more positions, but {len(features)} enter block "
                    f"{layer}: correct them."
                )
        return features

    def keep_patches(self, inputs: Inputs, grid: tuple[int, int], kept: Tensor) -> Inputs:
        """Return a batch in which all pixels are zero but those of some patches.

        Parameters
        ----------
        inputs
            One input.
        grid
            ``(rows, columns)`` of patches.
        kept
            Boolean, ``(B, rows · columns)``.
        """
        pixels = inputs["pixel_values"]
        if self.packed:
            shown = kept[:, :, None]
        else:
            sides = zip(pixels.shape[-2:], grid, self.patch or (1, 1), strict=True)
            row, column = (_patch_of_each_pixel(*side).to(kept.device) for side in sides)
            shown = kept[:, None, row[:, None] * grid[1] + column]
        return {**repeat_inputs(inputs, len(kept)), "pixel_values": pixels * shown}


def _patch_of_each_pixel(length: int, count: int, patch: int) -> Tensor:
    """Return to which of ``count`` patches along a side each pixel belongs, ``(length,)``."""
    covered = length - length % patch  # the rest is seen by no patch
    return (torch.arange(length) * count // covered).clamp(max=count - 1)


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes
    ----------
    name
        As its authors write it.
    recognises
        Tells from a module whether it is of this family.
    towers
        Makes the towers of such a module.
    classes
        Names of the ``transformers`` classes by ``config.model_type``, for
        loading by name; empty where there are none.
    """

    name: str
    recognises: Callable[[nn.Module], bool]
    towers: Callable[[Any], tuple[TextTower, ImageTower]]
    classes: Mapping[str, str] = field(default_factory=dict)


def hugging_face_family(
    name: str,
    classes: dict[str, str],
    towers: Callable[[Any], tuple[TextTower, ImageTower]],
) -> Family:
    """Return a family that is recognised by its ``transformers`` class, or a subclass."""

    def recognises(model: nn.Module) -> bool:
        return any(base.__name__ in classes.values() for base in type(model).__mro__)

    return Family(name, recognises, towers, classes)


def text_features(model: Any) -> Callable[[Inputs], Tensor]:
    """Return how a model of ``transformers`` embeds texts, where it pools them itself."""
    return lambda inputs: model.get_text_features(**inputs).pooler_output


def image_features(model: Any) -> Callable[[Inputs], Tensor]:
    """Return how a model of ``transformers`` embeds images, where it pools them itself."""
    return lambda inputs: model.get_image_features(**inputs).pooler_output


def as_pair(sides: int | Sequence[int]) -> tuple[int, int]:
    """Return ``(height, width)`` of what a configuration gives as one side or as both."""
    height, width = (sides, sides) if isinstance(sides, int) else sides
    return height, width


def largest_block_list(module: nn.Module) -> nn.ModuleList | nn.Sequential:
    """Return the tower's blocks: the homogeneous list with the most parameters."""

    def size(blocks: nn.Module) -> int:
        return sum(weight.numel() for weight in blocks.parameters())

    lists = [
        candidate
        for candidate in module.modules()
        if isinstance(candidate, nn.ModuleList | nn.Sequential)
        and len({type(block) for block in candidate}) == 1
    ]
    return max(lists, key=size)
