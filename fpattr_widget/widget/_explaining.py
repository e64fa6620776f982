"""One call from an image and a caption to the view."""

from typing import Unpack

from ..encoders import CaptionLike, ImageLike, Layer, ModelLike, ProcessorLike
from ..pairs import MethodLike, attribute
from ..view import ViewOptions
from ._loading_card import loading_card
from ._pairs_widget import PairsWidget


def explain(
    image: ImageLike,
    caption: CaptionLike,
    *,
    model: ModelLike = "bundled",
    processor: ProcessorLike = None,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    **options: Unpack[ViewOptions],
) -> PairsWidget:
    """Show which words of a caption met which patches of an image.

    Parameters
    ----------
    image, caption, model, processor, method, layer
        See :func:`attribute`.
    **options
        See :class:`PairsWidget`.

    Returns
    -------
    PairsWidget
        Shown by a notebook cell that ends with it. Its numbers are in
        ``.pairs``.

    Raises
    ------
    InputError
        When an argument cannot be used.
    """
    with loading_card(model, caption):
        pairs = attribute(model, image, caption, method, layer, processor=processor)
    return pairs.widget(**options)
