"""``attribute``: explain the similarity of an image and a caption."""

from ..choices import MethodName
from ..encoders import (
    CaptionLike,
    ImageLike,
    Layer,
    ModelLike,
    ProcessorLike,
    Side,
    encoder_of,
)
from ..errors import InputError
from ..methods import Method, measure, method_of
from ._document import About
from ._pairs import FeaturePairs

#: Everything that users may pass as ``method``.
MethodLike = MethodName | str | Method


def attribute(
    model: ModelLike,
    image: ImageLike,
    caption: CaptionLike,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    *,
    processor: ProcessorLike = None,
) -> FeaturePairs:
    """Attribute the similarity of an image and a caption to pairs of their features.

    Parameters
    ----------
    model
        ``"bundled"`` or ``"scenes"``, a Hugging Face model id, a local folder, a
        loaded module (with ``processor``), or an encoder from
        :func:`fpattr_widget.load_encoder`. Encoders that are loaded by name are cached.
        To reuse what was computed with a loaded module, pass an encoder.
    image
        A path, bytes, a PIL image, an array (H, W, 3) uint8, a tensor
        (1, 3, h, w) already preprocessed, or what a processor returned.
    caption
        A string, or token ids (1, S).
    method
        A method such as ``IntegratedJacobians(steps=32)``, or its name.
    layer
        Number of the block at whose input the features are read, ``−1`` for
        the last, or a pair ``(text, image)``; ``None`` means the
        encoder's default. Only for methods that differentiate: others read
        features at a fixed place.
    processor
        See :func:`fpattr_widget.load_encoder`.

    Returns
    -------
    FeaturePairs
        The arguments are checked; nothing is computed yet.

    Raises
    ------
    InputError
        When the model, the image, the caption, the method or the layer cannot
        be used.
    """
    chosen = method_of(method)
    if chosen.reads_at is not None and layer is not None:
        raise InputError(
            "layer",
            f"is {layer!r}, but {chosen.label} knows no layers (it reads features "
            f"{chosen.reads_at})",
            "leave `layer` out",
        )
    encoder = encoder_of(model, processor)
    chosen.check(encoder)
    # If a tower's grid depends on the layer, other methods use that of its last block.
    layers = encoder.resolve_layers(layer if chosen.reads_at is None else -1)
    row_tower, column_tower = encoder.towers
    inputs = encoder.prepare(caption, row_tower), encoder.prepare(image, column_tower)
    rows, columns = (
        Side((encoder.panel(prepared, block),))
        for prepared, block in zip(inputs, layers, strict=True)
    )
    blocks = zip(encoder.towers, layers, strict=True)
    return FeaturePairs(
        lambda: measure(encoder, chosen, inputs, layers),
        rows=rows,
        columns=columns,
        about=About(
            encoder.name,
            chosen.label,
            chosen.reads_at or " · ".join(f"{name} block {block}" for name, block in blocks),
        ),
        cheaper_alternative=chosen.cheaper_alternative(
            encoder, layers if chosen.reads_at is None else None
        ),
    )
