"""Pairs without their picture, for those who may not share it."""

from PIL import Image

from ._pairs import FeaturePairs

_GREY = (128, 128, 128)


def without_picture(pairs: FeaturePairs) -> FeaturePairs:
    """Compute everything and return it with plain grey in the picture's place."""
    return FeaturePairs(
        pairs.known(),
        caption=pairs.caption,
        tokens=pairs.tokens,
        picture=Image.new("RGB", pairs.picture.size, _GREY),
        grid=pairs.grid,
        image_special=pairs.image_special_names,
        about=pairs.about,
    )
