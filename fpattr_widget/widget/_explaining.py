"""One call from two sides to the view."""

import os
from typing import Any, Unpack

from ..encoders import (
    CaptionLike,
    ImageLike,
    Layer,
    ModelLike,
    Picture,
    ProcessorLike,
    Sum,
    Text,
    names_picture,
)
from ..methods import ImageReference, Norms, Reading, Unit
from ..pairs import MethodLike, attribute
from ..view import ViewOptions
from ._loading_card import loading_card
from ._pairs_widget import PairsWidget


def explain(
    first: ImageLike | Sum,
    second: CaptionLike | Sum,
    *,
    model: ModelLike = "bundled",
    processor: ProcessorLike = None,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    unit: Unit | None = None,
    reference: ImageReference | None = None,
    reading: Reading | None = None,
    norms: Norms = "fixed",
    **options: Unpack[ViewOptions],
) -> PairsWidget:
    """Show which words of a caption met which patches of an image, or of any two sides.

    Parameters
    ----------
    first, second
        An image and a caption, or ``Picture``, ``Text`` or sums of them on either side:
        ``explain(Text("a dog"), Text("a puppy"))``,
        ``explain("photo.jpg", Text("a dog") - Text("a cat"))``.
    model, processor, method, layer, unit, reference, reading, norms
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
    with loading_card(model, second):
        pairs = attribute(
            model,
            first,
            second,
            method,
            layer,
            unit=unit,
            reference=reference,
            reading=reading,
            norms=norms,
            processor=processor,
        )
    return pairs.widget(**options)


def contrast(
    first: ImageLike | CaptionLike | Sum,
    second: ImageLike | CaptionLike | Sum,
    other: ImageLike | CaptionLike | Sum,
    *,
    model: ModelLike = "bundled",
    processor: ProcessorLike = None,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    unit: Unit = "difference",
    reading: Reading | None = None,
    norms: Norms = "fixed",
    **options: Unpack[ViewOptions],
) -> PairsWidget:
    """Show why a picture fits one caption rather than another, or a caption one picture.

    ``contrast("photo.jpg", "a dog", "a cat")`` explains ``s(photo, dog) − s(photo, cat)``, and
    ``contrast("a dog", "a.jpg", "b.jpg")`` explains ``s(a, dog) − s(b, dog)``. Red is for
    ``second`` and against ``other``.

    Parameters
    ----------
    first
        An image, or a caption. A string is an image if it names a file, or ends as the names of
        pictures do, and else a caption; ``Picture`` and ``Text`` leave no doubt.
    second, other
        Two captions beside an image, or two images beside a caption; ``Text`` and ``Picture``
        may be of the same kind as ``first``.
    model, processor, method, layer, unit, reading, norms
        See :func:`attribute`.
    **options
        See :class:`PairsWidget`.

    Returns
    -------
    PairsWidget
        Shown by a notebook cell that ends with it.

    Raises
    ------
    InputError
        When an argument cannot be used.
    """
    of_picture = _is_picture(first)
    kind, other_kind = (Picture, Text) if of_picture else (Text, Picture)
    side = first if isinstance(first, Sum) else kind(first)  # type: ignore[arg-type]
    difference = _as_sum(second, other_kind) - _as_sum(other, other_kind)
    with loading_card(model, second if of_picture else first):
        pairs = attribute(
            model,
            side,
            difference,
            method,
            layer,
            unit=unit,
            reading=reading,
            norms=norms,
            processor=processor,
        )
    return pairs.widget(**options)


def _as_sum(value: Any, kind: type[Picture | Text]) -> Sum:
    return value if isinstance(value, Sum) else kind(value)


def _is_picture(value: Any) -> bool:
    """Return whether a value is an image rather than a caption."""
    if isinstance(value, Sum):
        return all(term.tower_name == "image" for term in value.terms)
    if isinstance(value, str):
        return names_picture(value) or os.path.isfile(value)
    return True
