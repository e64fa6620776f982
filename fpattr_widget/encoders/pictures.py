"""From an image to what an image tower takes, and to the picture that it saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from .family import ImageTower
from .images import read_image, run_processor, seen_crop
from .last_block import Inputs

IMAGE_REFERENCES = ("zeros",)


@dataclass(frozen=True)
class PreparedImage:
    """An image as the image tower takes it; ``picture`` is the crop that the model sees."""

    picture: Image.Image
    inputs: Inputs


def prepare_image(
    tower: ImageTower, processor: Any, image: Any, device: torch.device, dtype: torch.dtype
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
    if isinstance(image, Mapping):
        if "pixel_values" not in image:
            raise InputError("`image` is a mapping without 'pixel_values'.")
        inputs = {name: torch.as_tensor(value) for name, value in image.items()}
        picture = None
    elif isinstance(image, Tensor):
        inputs, picture = {"pixel_values": image[None] if image.ndim == 3 else image}, None
    elif processor is None:
        raise InputError(
            "`image` needs preprocessing, but the encoder has no image processor: pass "
            "`processor=` to load_encoder, or pass a preprocessed tensor (1, 3, h, w)."
        )
    else:
        source = read_image(image)
        output = run_processor(processor, source)
        inputs = {name: torch.as_tensor(np.asarray(value)) for name, value in output.items()}
        # Patches that keep the picture's own proportions show all of it.
        picture = source if "spatial_shapes" in inputs else seen_crop(processor, source)
    if "spatial_shapes" in inputs:
        inputs = _without_padding(inputs)
    inputs = {
        name: value.to(device, dtype if value.is_floating_point() else None)
        for name, value in inputs.items()
        if name in ("pixel_values", "spatial_shapes", "pixel_attention_mask")
    }
    _check(tower, inputs)
    return PreparedImage(picture or _picture_of(inputs, processor), inputs)


def reference_image(image: PreparedImage, reference: str) -> Inputs:
    """Return the inputs of an image's reference: ``"zeros"``, the mean colour."""
    if reference not in IMAGE_REFERENCES:
        raise InputError(f"`image_reference` is {reference!r}: pass 'zeros'.")
    return {**image.inputs, "pixel_values": torch.zeros_like(image.inputs["pixel_values"])}


def _without_padding(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the padding after the patches of a picture of any proportions (NaFlex)."""
    shapes = inputs["spatial_shapes"].reshape(-1, 2)
    pixels = inputs["pixel_values"]
    count = int(shapes[0].prod())
    if len(shapes) != 1 or pixels.ndim != 3 or pixels.shape[1] < count:
        raise InputError(
            f"`image` holds pixel_values {tuple(pixels.shape)} and spatial_shapes "
            f"{tuple(shapes.shape)}: pass one image as its processor returned it."
        )
    return {
        "pixel_values": pixels[:, :count],
        "pixel_attention_mask": torch.ones(1, count, dtype=torch.int64),
        "spatial_shapes": shapes,
    }


def _check(tower: ImageTower, inputs: Inputs) -> None:
    pixels = inputs["pixel_values"]
    shape = tuple(pixels.shape)
    if "spatial_shapes" in inputs:
        fits, wanted = True, ""
    elif tower.size is None:
        fits = pixels.ndim == 4 and shape[:2] == (1, tower.channels)
        wanted = f"(1, {tower.channels}, h, w)"
    else:
        fits = shape == (1, tower.channels, *tower.size)
        wanted = str((1, tower.channels, *tower.size))
    if not fits or not pixels.is_floating_point():
        raise InputError(
            f"`image` is a tensor of shape {shape} and {pixels.dtype}: the model takes "
            f"preprocessed floats of shape {wanted}; check the image processor."
        )
    if not bool(torch.isfinite(pixels).all()):
        raise InputError("`image` is a tensor with NaN or infinite values.")


def _picture_of(inputs: Inputs, processor: Any) -> Image.Image:
    pixels = inputs["pixel_values"][0].detach().float().cpu().numpy()
    if "spatial_shapes" in inputs:
        rows, columns = inputs["spatial_shapes"][0].tolist()
        side = int((pixels.shape[1] / 3) ** 0.5)
        tiles = pixels.reshape(rows, columns, side, side, 3)
        values = tiles.transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 3)
    else:
        values = pixels.transpose(1, 2, 0)
    mean = getattr(processor, "image_mean", None)
    if mean is None:
        low, high = values.min(), values.max()
        values = (values - low) / ((high - low) or 1.0)
    else:
        values = values * np.asarray(processor.image_std) + np.asarray(mean)
    return Image.fromarray((255 * np.clip(values, 0, 1)).round().astype(np.uint8))
