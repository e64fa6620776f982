"""References that users pass as pictures: another picture, or the mean of several."""

import hashlib
from dataclasses import dataclass, field

import torch

from ..errors import InputError
from ._inputs import Inputs, Prepared


@dataclass(frozen=True, repr=False)
class PictureReference:
    """Pictures in place of a reference without information; equal if its pixels are.

    The reference is the weighted mean of the pictures' states where a tower is cut, or, where
    parts of a picture are removed, of their pixels.

    Attributes
    ----------
    inputs
        The pictures, prepared for the image tower.
    weights
        One for each picture; they add up to one.
    digest
        Hash of all pixels and weights.
    """

    inputs: tuple[Prepared, ...] = field(compare=False)
    weights: tuple[float, ...] = field(compare=False)
    digest: str

    @classmethod
    def of(cls, inputs: tuple[Prepared, ...], weights: tuple[float, ...]) -> "PictureReference":
        """Return the reference that prepared pictures make."""
        total = hashlib.blake2b(repr(weights).encode(), digest_size=16)
        for prepared in inputs:
            total.update(digest_of(prepared.inputs))
        return cls(inputs, weights, total.hexdigest())

    def __str__(self) -> str:
        count = len(self.inputs)
        return "another picture" if count == 1 else f"the mean of {count} pictures"

    def __repr__(self) -> str:
        return f"<{self}, {self.digest[:12]}>"

    def inputs_for(self, prepared: Prepared) -> list[tuple[float, Inputs]]:
        """Return the weight and the tower's inputs of each picture, to stand for one image.

        Raises
        ------
        InputError
            When a picture has another size, or another grid of patches, than the image.
        """
        return [
            (weight, _alike(prepared.inputs, other.inputs))
            for weight, other in zip(self.weights, self.inputs, strict=True)
        ]


def digest_of(inputs: Inputs) -> bytes:
    """Return a hash that equal inputs share, and different ones do not."""
    total = hashlib.blake2b(digest_size=16)
    for name, value in sorted(inputs.items()):
        values = value.detach().cpu().contiguous()
        total.update(f"{name}{values.dtype}{tuple(values.shape)}".encode())
        total.update(values.view(-1).view(torch.uint8).numpy().data)
    return total.digest()


def _alike(image: Inputs, other: Inputs) -> Inputs:
    """Return other inputs, or raise ``InputError`` if their patches lie in other places."""
    sizes = []
    for inputs in image, other:
        grid = inputs.get("spatial_shapes")
        size = inputs["pixel_values"].shape[-2:] if grid is None else grid[0].tolist()
        sizes.append((tuple(size), "pixels" if grid is None else "patches"))
    if sizes[0] != sizes[1]:
        (rows, columns), unit = sizes[1]
        (own_rows, own_columns), own_unit = sizes[0]
        raise InputError(
            "reference",
            f"has {rows} × {columns} {unit}, but the image has {own_rows} × {own_columns} "
            f"{own_unit}, so that their patches do not lie in the same places",
            "pass a picture of the image's size",
        )
    layouts = [name for name, value in image.items() if not value.is_floating_point()]
    shapes = [inputs["pixel_values"].shape for inputs in (image, other)]
    if shapes[0] != shapes[1] or any(not torch.equal(image[n], other[n]) for n in layouts):
        raise InputError(
            "reference",
            "is laid out in other patches than the image",
            "pass a picture of the image's size",
        )
    return other
