"""Pictures of another size than a model's own: the number, and image processors that make it."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from PIL import Image

from ..errors import InputError
from ._adapters import TransformProcessor
from ._image_files import run_processor

#: The most pixels along a side of what a tower is given: attention over the patches of
#: larger pictures takes gigabytes.
MOST_IMAGE_SIZE = 1024

# Both orientations, since a processor that keeps proportions makes a square of neither.
_PROBES = ((150, 100), (100, 150))


def require_image_size(image_size: int | None) -> None:
    """Raise ``InputError`` unless a tower may be asked for pictures of this side in pixels."""
    if image_size is None:
        return
    whole = isinstance(image_size, int) and not isinstance(image_size, bool)
    if not whole or not 1 <= image_size <= MOST_IMAGE_SIZE:
        raise InputError(
            "image_size",
            f"is {image_size!r}",
            f"pass a whole number of pixels up to {MOST_IMAGE_SIZE:,}, or None for the model's own",
        )


def processor_of_size(processor: Any, side: int) -> Any:
    """Return an image processor that makes pictures of ``side`` × ``side`` pixels.

    Parameters
    ----------
    processor
        Hugging Face's interface, or ``None``. It is not changed: if it makes another size,
        a copy is set to this one. Where it crops, the copy crops the same part.
    side
        In pixels.

    Returns
    -------
    object or None

    Raises
    ------
    InputError
        When it cannot be set to this size.
    """
    if processor is None or _makes(processor, side):
        return processor
    adapted = (
        processor.of_size(side)
        if isinstance(processor, TransformProcessor)
        else _hugging_face_processor(processor, side)
    )
    if adapted is None or not _makes(adapted, side):
        raise InputError(
            "image_size",
            f"is {side}, to which the image processor cannot be set",
            f"pass a `processor` that makes pictures of {side} × {side} pixels",
        )
    return adapted


def _makes(processor: Any, side: int) -> bool:
    """Return whether a processor makes squares of this side of pictures of any proportions."""
    pictures = (run_processor(processor, Image.new("RGB", size, "grey")) for size in _PROBES)
    return all(made["pixel_values"].shape[-2:] == (side, side) for made in pictures)


def _hugging_face_processor(processor: Any, side: int) -> Any:
    """Return a copy of a Hugging Face processor whose last step makes a square of this side."""
    adapted = copy.deepcopy(processor)
    crop = _sides(processor, "crop_size") if getattr(processor, "do_center_crop", None) else {}
    resized = _sides(processor, "size")
    if not crop and not resized:
        return None
    if crop:
        scale = side / min(crop.values())
        _set_sides(adapted, "crop_size", dict.fromkeys(crop, side))
        _set_sides(adapted, "size", {name: round(scale * old) for name, old in resized.items()})
    else:
        _set_sides(adapted, "size", dict.fromkeys(resized, side))
    return adapted


def _sides(processor: Any, name: str) -> dict[str, int]:
    """Return the sides that an attribute of a processor names, in pixels."""
    size = getattr(processor, name, None)
    named = size if isinstance(size, Mapping) else getattr(size, "__dict__", {})
    return {key: value for key, value in named.items() if isinstance(value, int)}


def _set_sides(processor: Any, name: str, sides: dict[str, int]) -> None:
    size = getattr(processor, name, None)
    if isinstance(size, Mapping):
        setattr(processor, name, {**size, **sides})
    elif size is not None:
        setattr(processor, name, dataclasses.replace(size, **sides))
