"""From an image to what an image tower takes, and to the picture that it saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ._family import ImageTower
from ._image_files import LONGEST, Crop, PictureLike, read_image, run_processor, seen_crop
from ._last_block import Inputs

IMAGE_REFERENCES = ("zeros",)
_ALL = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class PreparedImage:
    """An image as the image tower takes it.

    Attributes
    ----------
    picture
        The crop that the patches cover.
    inputs
        What the tower takes.
    crop
        Where in the image ``picture`` lies, ``(left, top, right, bottom)`` as
        fractions of its sides; ``None`` where that cannot be told.
    """

    picture: Image.Image
    inputs: Inputs
    crop: Crop | None


#: An image in every form that is taken; a mapping is what a processor returned.
ImageLike = PictureLike | Tensor | Mapping[str, Any] | PreparedImage


def prepare_image(
    tower: ImageTower,
    processor: Any,
    image: PictureLike | Tensor | Mapping[str, Any],
    device: torch.device,
    dtype: torch.dtype,
) -> PreparedImage:
    """Turn an image into a tower's inputs.

    Parameters
    ----------
    tower
        Takes them.
    processor
        A Hugging Face image processor or ``None``.
    image
        A path, bytes, a PIL image, an array (H, W, 3) uint8, a tensor
        (1, 3, h, w) that is already preprocessed, or the mapping that a
        processor returned.
    device, dtype
        Of the inputs.

    Raises
    ------
    InputError
        When it cannot be read or does not fit the model.
    """
    source = None
    if isinstance(image, Mapping):
        if "pixel_values" not in image:
            raise InputError("`image` is a mapping without 'pixel_values'.")
        inputs = {name: torch.as_tensor(value) for name, value in image.items()}
    elif isinstance(image, Tensor):
        inputs = {"pixel_values": image[None] if image.ndim == 3 else image}
    elif processor is None:
        raise InputError(
            "`image` needs preprocessing, but the encoder has no image processor: pass "
            "`processor=` to load_encoder, or pass a preprocessed tensor (1, 3, h, w)."
        )
    else:
        source = read_image(image)
        output = run_processor(processor, source)
        inputs = {name: torch.as_tensor(np.asarray(value)) for name, value in output.items()}
    inputs = _unpadded(tower, inputs) if tower.packed else _only_pixels(tower, inputs)
    if not bool(torch.isfinite(inputs["pixel_values"]).all()):
        raise InputError("`image` is a tensor with NaN or infinite values.")
    inputs = {
        name: value.to(device, dtype if value.is_floating_point() else None)
        for name, value in inputs.items()
    }
    picture, crop = _picture(tower, processor, source, inputs)
    picture, crop = _covered(tower, inputs, picture, crop)
    return PreparedImage(picture, inputs, crop)


def check_image_reference(reference: str) -> None:
    """Raise ``InputError`` unless this is a reference."""
    if reference not in IMAGE_REFERENCES:
        raise InputError(f"`image_reference` is {reference!r}: pass 'zeros'.")


def reference_image(image: PreparedImage, reference: str) -> Inputs:
    """Return the inputs of an image's reference: ``"zeros"``, the mean colour."""
    check_image_reference(reference)
    return {**image.inputs, "pixel_values": torch.zeros_like(image.inputs["pixel_values"])}


def _only_pixels(tower: ImageTower, inputs: Inputs) -> dict[str, Tensor]:
    """Return the pixels as the tower takes them, or tell that they do not fit."""
    pixels = inputs["pixel_values"]
    shape = tuple(pixels.shape)
    sides = tower.size or shape[2:]
    if shape != (1, tower.channels, *sides) or len(shape) != 4 or not pixels.is_floating_point():
        wanted = ", ".join(str(number) for number in (1, tower.channels, *(tower.size or "hw")))
        raise InputError(
            f"`image` is a tensor of shape {shape} and {pixels.dtype}: the model takes "
            f"preprocessed floats of shape ({wanted}); check the image processor."
        )
    return {"pixel_values": pixels}


def _unpadded(tower: ImageTower, inputs: Inputs) -> dict[str, Tensor]:
    """Return packed patches without the padding behind them, or tell that they do not fit."""
    pixels, grid = inputs["pixel_values"], inputs.get("spatial_shapes", torch.empty(0))
    height, width = tower.patch or (1, 1)
    numbers = height * width * tower.channels
    count = int(grid.prod())
    fits = pixels.ndim == 3 and pixels.shape[::2] == (1, numbers) and pixels.is_floating_point()
    counted = grid.numel() == 2 and bool((grid > 0).all())
    if not fits or not counted or count > pixels.shape[1]:
        raise InputError(
            f"`image` holds pixel_values {tuple(pixels.shape)} of {pixels.dtype} and "
            f"spatial_shapes {tuple(grid.shape)}: the model takes patches (1, patches, {numbers}) "
            "and the shape of their grid (1, 2); pass what its image processor returned."
        )
    return {
        "pixel_values": pixels[:, :count],
        "pixel_attention_mask": torch.ones(1, count, dtype=torch.int64),
        "spatial_shapes": grid.reshape(1, 2),
    }


def _picture(
    tower: ImageTower, processor: Any, source: Image.Image | None, inputs: Inputs
) -> tuple[Image.Image, Crop | None]:
    """Return the picture that the tower sees, and where in the image it lies."""
    if source is None:
        return _picture_of(tower, inputs, processor), _ALL
    return (_whole(source, inputs), _ALL) if tower.packed else seen_crop(processor, source)


def _whole(source: Image.Image, inputs: Inputs) -> Image.Image:
    """Return the source in the proportions of its grid, which shows all of it."""
    rows, columns = inputs["spatial_shapes"].reshape(2).tolist()
    longest = min(max(source.size), LONGEST)
    scale = longest / max(rows, columns)
    size = max(1, round(scale * columns)), max(1, round(scale * rows))
    return source.resize(size, Image.Resampling.LANCZOS)


def _covered(
    tower: ImageTower, inputs: Inputs, picture: Image.Image, crop: Crop | None
) -> tuple[Image.Image, Crop | None]:
    """Leave out the margin at the right and the bottom that is too narrow for a patch."""
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


def _picture_of(tower: ImageTower, inputs: Inputs, processor: Any) -> Image.Image:
    pixels = inputs["pixel_values"][0].detach().float().cpu().numpy()
    if tower.packed and tower.patch is not None:
        grid = inputs["spatial_shapes"][0].tolist()
        tiles = pixels.reshape(*grid, *tower.patch, tower.channels).transpose(0, 2, 1, 3, 4)
        values = tiles.reshape(grid[0] * tower.patch[0], grid[1] * tower.patch[1], tower.channels)
    else:
        values = pixels.transpose(1, 2, 0)
    mean = getattr(processor, "image_mean", None)
    if mean is None:
        low, high = values.min(), values.max()
        values = (values - low) / ((high - low) or 1.0)
    else:
        values = values * np.asarray(processor.image_std) + np.asarray(mean)
    return Image.fromarray((255 * np.clip(values, 0, 1)).round().astype(np.uint8))
