"""``ImageTower``: an image encoder, the preparation of its inputs, and the crop that it sees."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..errors import InputError
from ._image_files import Box, PictureLike, displayed_size, read_image, run_processor, seen_crop
from ._inputs import Crop, Inputs, Prepared, repeat_inputs
from ._reference import PictureReference
from ._tower import BATCH_FIRST, Arrangement, LastBlock, Tower, as_pair

#: All of a picture.
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

#: Standard deviation of the blur of a blurred reference, as a share of the shorter side.
BLUR = 0.1


@dataclass(frozen=True)
class PreparedImage(Prepared):
    """An image as the image tower takes it.

    Attributes
    ----------
    picture
        The part of the image that the patches cover.
    crop
        Where in the image ``picture`` lies, ``(left, top, right, bottom)`` as
        fractions of its sides; ``None`` where that is not known.
    """

    picture: Image.Image
    crop: Box | None
    tower_name = "image"


#: Everything that users may pass as ``image``; a mapping is the output of a processor.
ImageLike = PictureLike | Tensor | Mapping[str, Any] | Prepared


class ImageTower(Tower):
    """An image encoder, and how its inputs are laid out.

    Parameters
    ----------
    model, blocks, encode, pooling, last_block, arrangement
        See :class:`.Tower`. ``encode`` takes ``pixel_values`` (B, channels, h, w)
        and, if ``packed``, the other outputs of the image processor.
    patch
        Side of a patch in pixels, or ``(height, width)``; ``None`` where
        features are the cells of a feature map (B, width, rows, columns), as
        in a convolutional tower.
    size
        ``(h, w)`` of its inputs; ``None`` for any.
    encode_other_sizes
        Like ``encode``, for inputs of other sizes than ``size``, such as by interpolating the
        positions' embeddings; ``None`` where the tower takes no others.
    channels
        Number of channels of ``pixel_values``.
    special
        Names of the positions before the patches; ``None`` to count them by a
        pass of the tower.
    packed
        Whether pictures keep their proportions and are passed as rows of patches,
        ``pixel_values`` (B, patches, patch · patch · channels), with
        ``spatial_shapes`` (B, 2).
    """

    argument = "image"
    references = removals = ("zeros", "blurred")

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module] | nn.ModuleList | nn.Sequential,
        encode: Callable[[Inputs], Tensor],
        *,
        patch: int | Sequence[int] | None,
        size: tuple[int, int] | None = None,
        encode_other_sizes: Callable[[Inputs], Tensor] | None = None,
        channels: int = 3,
        special: tuple[str, ...] | None = None,
        packed: bool = False,
        pooling: nn.Module | None = None,
        last_block: LastBlock | None = None,
        arrangement: Arrangement = BATCH_FIRST,
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
        self._encode_other_sizes = encode_other_sizes
        self.channels = channels
        self.special = special
        self.packed = packed

    def take_size(self, side: int) -> None:
        """Take pictures of ``side`` × ``side`` pixels from now on, and no others.

        Raises
        ------
        InputError
            When the tower cannot, or its patches do not divide them.
        """
        if self.packed:
            raise InputError(
                "image_size",
                f"is {side}, but the model takes pictures of any proportions as rows of patches",
                "leave it out, and set `max_num_patches` of its image processor",
            )
        height, width = self.patch or (1, 1)
        if side % height or side % width:
            raise InputError(
                "image_size",
                f"is {side}, which patches of {height} × {width} pixels do not divide",
                f"pass a multiple of {math.lcm(height, width)}",
            )
        if self.size not in (None, (side, side)):
            if self._encode_other_sizes is None:
                raise InputError(
                    "image_size",
                    f"is {side}, but the image tower takes pictures of {self.size[0]} × "
                    f"{self.size[1]} pixels alone",
                    "leave it out, or load a model that was built for this size",
                )
            self._forward = self._encode_other_sizes
        self.size = (side, side)

    def require_equal_cells(self, device: torch.device, dtype: torch.dtype) -> None:
        """Raise ``InputError`` unless the tower runs at its size, and divides it into equal cells.

        Parameters
        ----------
        device, dtype
            Of the weights.
        """
        assert self.size is not None
        side = self.size[0]
        inputs = {"pixel_values": torch.zeros(1, self.channels, *self.size).to(device, dtype)}
        last = len(self.blocks) - 1
        try:
            self.features(inputs, last)
            cells = self.layout(inputs, last)[0][0]
        except Exception as error:  # any module may raise anything
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise InputError(
                "image_size",
                f"is {side}, at which the image tower fails ({reason[:200]})",
                "pass another, or leave it out",
            ) from error
        if side % cells:
            # Towers without patches of their own halve the picture several times.
            stride = 2 ** round(math.log2(side / cells))
            raise InputError(
                "image_size",
                f"is {side}, which {cells} × {cells} cells do not divide into equal parts",
                f"pass a multiple of {stride}, such as {stride * max(1, round(side / stride))}",
            )

    def layout(self, inputs: Inputs, layer: int) -> tuple[tuple[int, int], tuple[str, ...]]:
        """Return ``(rows, columns)`` of patches and the names of the positions before them.

        Where the family does not specify them, they follow from the states that enter
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
        while rows * columns > count:  # a tower whose stages merge two by two patches
            rows, columns = -(-rows // 2), -(-columns // 2)
        count -= rows * columns
        if count > rows * columns:
            raise InputError(
                "patch",
                f"of the image tower makes {rows} × {columns} patches, and leaves {count} "
                "positions over",
                "correct it, or name these positions by `special`",
            )
        special = ("CLS", *(f"register {i + 1}" for i in range(count - 1)))
        return (rows, columns), special[:count]

    def features(self, inputs: Inputs, layer: int) -> Tensor:
        """Return the features that enter block ``layer``, ``(features, width)``."""
        features = super().features(inputs, layer)
        if self.special is not None:
            (rows, columns), special = self.layout(inputs, layer)
            if len(features) != rows * columns + len(special):
                raise InputError(
                    "patch",
                    f"of the image tower makes {rows} × {columns} patches, and `special` names "
                    f"{len(special)} more positions, but {len(features)} enter block {layer}",
                    "correct them",
                )
        return features

    def prepare(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> PreparedImage:
        """Return an image as inputs of the tower.

        Parameters
        ----------
        value
            A path, bytes, a PIL image, an array (H, W, 3) uint8, a preprocessed tensor
            (1, 3, h, w), or the mapping that a processor returned.
        processor
            A Hugging Face image processor or ``None``.
        device, dtype
            Device and type of the inputs.

        Raises
        ------
        InputError
            When it cannot be read or does not fit the model.
        """
        source, inputs = self._read_image(value, processor, device, dtype)
        picture, crop = _picture(self, processor, source, inputs)
        picture, crop = _covered(self, inputs, picture, crop)
        return PreparedImage(inputs, picture, crop)

    def inputs_of(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> Inputs:
        return self._read_image(value, processor, device, dtype)[1]

    def _read_image(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> tuple[Image.Image | None, Inputs]:
        """Return the upright picture, ``None`` where pixels were passed, and the tower's inputs."""
        source = None
        inputs: Inputs
        if isinstance(value, Mapping):
            if "pixel_values" not in value:
                raise InputError(
                    "image",
                    "is a mapping without 'pixel_values'",
                    "pass what an image processor returned",
                )
            inputs = {name: torch.as_tensor(value) for name, value in value.items()}
        elif isinstance(value, Tensor):
            inputs = {"pixel_values": value[None] if value.ndim == 3 else value}
        elif processor is None:
            raise InputError(
                "image",
                "needs preprocessing, but the encoder has no image processor",
                "pass `processor=` to load_encoder, or pass a preprocessed tensor (1, 3, h, w)",
            )
        else:
            source = read_image(value)
            output = run_processor(processor, source)
            inputs = {name: torch.as_tensor(np.asarray(value)) for name, value in output.items()}
        inputs = _unpadded(self, inputs) if self.packed else _only_pixels(self, inputs)
        if not bool(torch.isfinite(inputs["pixel_values"]).all()):
            raise InputError(
                "image", "is a tensor with NaN or infinite values", "pass finite pixels"
            )
        inputs = {
            name: value.to(device, dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        return source, inputs

    def reference(self, prepared: Prepared, kind: str) -> Inputs:
        """Return the inputs of an image's reference.

        ``"zeros"`` is the mean colour. ``"blurred"`` is the image itself after a Gaussian blur
        with a standard deviation of a tenth of its shorter side, 22 pixels of 224, as the game
        of deletion is often played (Fong and Vedaldi, ICCV 2017, arXiv 1704.03296).
        """
        self.check_reference(kind)
        pixels = prepared.inputs["pixel_values"]
        if kind == "blurred":
            unpacked = self.unpacked(prepared.inputs)
            blurred = _blurred(unpacked.to(torch.promote_types(pixels.dtype, torch.float32)))
            blurred = self._packed(blurred.to(pixels.dtype), prepared.inputs)
        else:
            blurred = torch.zeros_like(pixels)
        return {**prepared.inputs, "pixel_values": blurred}

    def check_reference(self, kind: str) -> None:
        check_picture_choice("image_reference", kind)

    def panel(self, prepared: Prepared, layer: int) -> Crop:
        assert isinstance(prepared, PreparedImage)
        return Crop(prepared.picture, *self._layout_of(prepared, layer))

    def panel_needs_a_pass(self) -> bool:
        return self.special is None or not (self.packed or self.patch is not None)

    def removable(self, prepared: Prepared, layer: int) -> np.ndarray:
        (rows, columns), special = self._layout_of(prepared, layer)
        return np.arange(len(special), len(special) + rows * columns)

    def check_removal(self, removal: str | PictureReference, model: str = "") -> None:
        check_picture_choice("patches", removal)

    def masked(
        self, prepared: Prepared, layer: int, kept: Tensor, removal: str | PictureReference
    ) -> Inputs:
        """Return a batch of the image with only the kept patches.

        Other pixels are those of the removal: zeros, the blurred image's or another picture's.
        """
        inputs = prepared.inputs
        grid, special = self._layout_of(prepared, layer)
        kept, pixels = kept[:, len(special) :], inputs["pixel_values"]
        if self.packed:
            mask = kept[:, :, None]
        else:
            sides = zip(pixels.shape[-2:], grid, self.patch or (1, 1), strict=True)
            row, column = (_patch_of_each_pixel(*side).to(kept.device) for side in sides)
            mask = kept[:, None, row[:, None] * grid[1] + column]
        if isinstance(removal, str):
            others = self.reference(prepared, removal)["pixel_values"]
        else:
            weighted = removal.inputs_for(prepared)
            others = torch.stack([w * each["pixel_values"] for w, each in weighted]).sum(0)
        shown = torch.where(mask, pixels, others)
        return {**repeat_inputs(inputs, len(kept)), "pixel_values": shown}

    def unpacked(self, inputs: Inputs) -> Tensor:
        """Return the pixels as pictures, ``(1, channels, h, w)``."""
        pixels = inputs["pixel_values"]
        if not self.packed:
            return pixels
        rows, columns = inputs["spatial_shapes"][0].tolist()
        tiles = pixels.unflatten(1, (rows, columns)).unflatten(-1, (*self._tile, self.channels))
        return tiles.permute(0, 5, 1, 3, 2, 4).reshape(
            1, self.channels, rows * self._tile[0], columns * self._tile[1]
        )

    def _packed(self, pictures: Tensor, inputs: Inputs) -> Tensor:
        """Return pictures as the tower takes them; undoes ``unpacked``."""
        if not self.packed:
            return pictures
        rows, columns = inputs["spatial_shapes"][0].tolist()
        tiles = pictures.unflatten(3, (columns, self._tile[1])).unflatten(2, (rows, self._tile[0]))
        return tiles.permute(0, 2, 4, 3, 5, 1).reshape(inputs["pixel_values"].shape)

    @property
    def _tile(self) -> tuple[int, int]:
        return self.patch or (1, 1)

    def _layout_of(self, prepared: Prepared, layer: int) -> tuple[tuple[int, int], tuple[str, ...]]:
        # From the reference, whose states are cached for all pictures of the same size.
        return self.layout(self.reference(prepared, "zeros"), layer)


def check_picture_choice(argument: str, value: object) -> None:
    """Raise ``InputError`` if what replaces a picture is a name that image towers do not know."""
    if isinstance(value, str) and value not in ImageTower.references:
        names = ", ".join(map(repr, ImageTower.references))
        raise InputError(argument, f"is {value!r}", f"pass {names} or a Picture")


def _blurred(pictures: Tensor) -> Tensor:
    """Return pictures ``(B, channels, h, w)`` after a strong blur; see ``ImageTower.reference``."""
    height, width = pictures.shape[-2:]
    deviation = BLUR * min(height, width)
    down, across = (_gaussian(side, deviation).to(pictures) for side in (height, width))
    return down @ pictures @ across.T


def _gaussian(length: int, deviation: float) -> Tensor:
    """Return the Gaussian means over a side, ``(length, length)``; those at the ends are cut."""
    places = torch.arange(length, dtype=torch.float64)
    weights = torch.exp(-((places[:, None] - places) ** 2) / (2 * deviation**2))
    return weights / weights.sum(1, keepdim=True)


def _patch_of_each_pixel(length: int, count: int, patch: int) -> Tensor:
    """Return the index of each pixel's patch along a side, ``(length,)``."""
    covered = length - length % patch  # no patch covers the rest
    return (torch.arange(length) * count // covered).clamp(max=count - 1)


def _only_pixels(tower: ImageTower, inputs: Inputs) -> dict[str, Tensor]:
    """Return the pixels alone, or raise ``InputError`` if they do not fit the tower."""
    pixels = inputs["pixel_values"]
    shape = tuple(pixels.shape)
    sides = tower.size or shape[2:]
    if shape != (1, tower.channels, *sides) or len(shape) != 4 or not pixels.is_floating_point():
        expected = ", ".join(str(number) for number in (1, tower.channels, *(tower.size or "hw")))
        raise InputError(
            "image",
            f"is a tensor of shape {shape} and {pixels.dtype}, but the model takes preprocessed "
            f"floats of shape ({expected})",
            "check the image processor",
        )
    return {"pixel_values": pixels}


def _unpadded(tower: ImageTower, inputs: Inputs) -> dict[str, Tensor]:
    """Return packed patches without padding, or raise ``InputError`` if they do not fit."""
    pixels, grid = inputs["pixel_values"], inputs.get("spatial_shapes", torch.empty(0))
    height, width = tower.patch or (1, 1)
    size = height * width * tower.channels
    count = int(grid.prod())
    fits = pixels.ndim == 3 and pixels.shape[::2] == (1, size) and pixels.is_floating_point()
    has_grid = grid.numel() == 2 and bool((grid > 0).all())
    if not fits or not has_grid or count > pixels.shape[1]:
        raise InputError(
            "image",
            f"holds pixel_values {tuple(pixels.shape)} of {pixels.dtype} and spatial_shapes "
            f"{tuple(grid.shape)}, but the model takes patches (1, patches, {size}) and the shape "
            "of their grid (1, 2)",
            "pass what its image processor returned",
        )
    return {
        "pixel_values": pixels[:, :count],
        "pixel_attention_mask": torch.ones(1, count, dtype=torch.int64),
        "spatial_shapes": grid.reshape(1, 2),
    }


def _picture(
    tower: ImageTower, processor: Any, source: Image.Image | None, inputs: Inputs
) -> tuple[Image.Image, Box | None]:
    """Return the part of the image that the tower sees, and where it lies."""
    if source is None:
        return picture_of_pixels(tower.unpacked(inputs)[0], processor), WHOLE
    if tower.packed:  # the whole picture, with about its own proportions
        size = displayed_size(source.size, max(source.size))
        return source.resize(size, Image.Resampling.LANCZOS), WHOLE
    return seen_crop(processor, source)


def _covered(
    tower: ImageTower, inputs: Inputs, picture: Image.Image, crop: Box | None
) -> tuple[Image.Image, Box | None]:
    """Crop the margin at the right and the bottom that is too narrow for a patch."""
    if tower.patch is None or tower.packed:
        return picture, crop
    sides = inputs["pixel_values"].shape[2:]
    down, across = (
        side // patch * patch / side for side, patch in zip(sides, tower.patch, strict=True)
    )
    if crop is not None:
        left, top, right, bottom = crop
        crop = (left, top, left + across * (right - left), top + down * (bottom - top))
    size = round(across * picture.width), round(down * picture.height)
    return (picture.crop((0, 0, *size)) if size != picture.size else picture), crop


def picture_of_pixels(pixels: Tensor, processor: Any) -> Image.Image:
    """Return the picture that preprocessed pixels show, ``(channels, h, w)``."""
    values = pixels.detach().float().cpu().numpy().transpose(1, 2, 0)
    mean = getattr(processor, "image_mean", None)
    if mean is None:
        low, high = values.min(), values.max()
        values = (values - low) / ((high - low) or 1.0)
    else:
        values = values * np.asarray(processor.image_std) + np.asarray(mean)
    return Image.fromarray((255 * np.clip(values, 0, 1)).round().astype(np.uint8))
