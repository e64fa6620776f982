"""What the package must know of a family of dual encoders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .last_block import Inputs
from .tower import PLAIN, Arrangement, LastBlock, Tower


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
        masks: bool = True,
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


class ImageTower(Tower):
    """An image encoder, and how it takes pictures.

    Parameters
    ----------
    model, blocks, encode, pooling, last_block, arrangement
        See :class:`.Tower`. ``encode`` gets ``pixel_values`` (B, channels, h, w)
        and whatever else the image processor returns.
    patch
        Side of a patch in pixels; ``None`` where features are the cells of a
        feature map (B, width, rows, columns), as in a convolutional tower.
    size
        ``(h, w)`` that the tower takes; ``None`` for any.
    channels
        Of ``pixel_values``.
    special
        Names of the positions that stand before the patches; ``None`` to find
        out how many there are.
    """

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module] | nn.ModuleList | nn.Sequential,
        encode: Callable[[Inputs], Tensor],
        *,
        patch: int | None,
        size: tuple[int, int] | None,
        channels: int = 3,
        special: tuple[str, ...] | None = None,
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
        self.patch = patch
        self.size = size
        self.channels = channels
        self.special = special

    def layout(self, inputs: Inputs, layer: int) -> tuple[tuple[int, int], tuple[str, ...]]:
        """Return ``(rows, columns)`` of patches and the names of the positions before them.

        Where the family does not say, they are read off the states that enter
        block ``layer``.
        """
        if "spatial_shapes" in inputs:
            rows, columns = inputs["spatial_shapes"][0].tolist()
        elif self.patch is None:
            rows, columns = self.read(inputs, layer).states.shape[-2:]
        else:
            rows, columns = (side // self.patch for side in inputs["pixel_values"].shape[-2:])
        if self.special is None:
            count = len(self.features(inputs, layer)) - rows * columns
            self.special = ("CLS", *(f"register {i + 1}" for i in range(count - 1)))[:count]
        return (rows, columns), self.special


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
    classes: dict[str, str]


def hugging_face_family(
    name: str,
    classes: dict[str, str],
    towers: Callable[[Any], tuple[TextTower, ImageTower]],
) -> Family:
    """Return a family that is recognised by its ``transformers`` class, or a subclass."""

    def recognises(model: nn.Module) -> bool:
        return any(base.__name__ in classes.values() for base in type(model).__mro__)

    return Family(name, recognises, towers, classes)


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
