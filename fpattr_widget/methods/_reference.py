"""Pictures as references of images: what users pass, and the same prepared for an encoder."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from ..checks import quoted
from ..encoders import (
    DualEncoder,
    ImageLike,
    ImageTower,
    Picture,
    PictureReference,
    Prepared,
    Sum,
    as_sum,
    check_picture_choice,
    mean,
)
from ..errors import InputError
from ._contributions import Method

#: Everything that users may pass as a method's reference of images: a name, a picture, or
#: several, whose mean it is.
ImageReference = str | ImageLike | Sum | Sequence[ImageLike | Sum] | PictureReference

#: What a method holds of that.
HeldReference = str | Sum | PictureReference

# Settings of methods that hold the reference of images.
_SETTINGS = ("image_reference", "patches")


def held_reference(value: ImageReference, argument: str) -> HeldReference:
    """Return a reference of images in the form that a method holds.

    Raises
    ------
    InputError
        When it is a name that image towers do not know, or no picture.
    """
    if isinstance(value, str | PictureReference):
        check_picture_choice(argument, value)
        return value
    if isinstance(value, list | tuple):
        if not value:
            raise InputError(argument, "is an empty list", "pass at least one picture")
        value = mean([as_sum(one, Picture) for one in value])
    pictures = as_sum(value, Picture)
    if any(term.tower_name != "image" for term in pictures.terms):
        raise InputError(argument, f"is {quoted(pictures)}, which holds a caption", "pass pictures")
    if abs(sum(term.weight for term in pictures.terms) - 1) > 1e-6:
        raise InputError(
            argument,
            f"is {quoted(pictures)}, whose weights do not add up to one",
            "pass a Picture or mean([...])",
        )
    return pictures


def in_words(reference: object) -> str:
    """Return what to append to a method's label, such as ``", reference: blurred"``.

    It is empty for zeros, the usual reference.
    """
    if isinstance(reference, Sum):
        count = len(reference.terms)
        reference = "another picture" if count == 1 else f"the mean of {count} pictures"
    return "" if reference == "zeros" else f", reference: {reference}"


def for_encoder(
    method: Method, encoder: DualEncoder, reference: ImageReference | None = None
) -> Method:
    """Return a method whose pictures, if it holds any, are prepared for an encoder.

    Parameters
    ----------
    method
        The method.
    encoder
        Prepares the pictures.
    reference
        Pictures, or a name, that take the place of the method's own reference of images (other
        strings are paths); ``None`` to leave that.

    Raises
    ------
    InputError
        When a picture cannot be read, or the method compares images with no reference.
    """
    name = _setting(method)
    if name is None:
        if reference is None:
            return method
        raise InputError(
            "reference",
            f"is given, but {method.label} compares images with none",
            "leave it out, or pass another `method`",
        )
    if isinstance(reference, str) and reference not in ImageTower.references:
        reference = Picture(reference)
    argument = name if reference is None else "reference"
    held = getattr(method, name) if reference is None else held_reference(reference, argument)
    if isinstance(held, Sum):
        held = _prepared(held, encoder, argument)
    return method if held is getattr(method, name) else _with(method, name, held)


def require_fit(method: Method, inputs: Sequence[Prepared]) -> None:
    """Raise ``InputError`` unless a method's pictures have the sizes of the images among inputs."""
    held = reference_of(method)
    if isinstance(held, PictureReference):
        for prepared in inputs:
            if prepared.tower_name == "image":
                held.inputs_for(prepared)


def reference_of(method: Method) -> HeldReference | None:
    """Return what a method compares images with; ``None`` where it has no such setting."""
    name = _setting(method)
    return None if name is None else cast(HeldReference, getattr(method, name))


def _setting(method: Method) -> str | None:
    """Return the name of the setting that holds the reference of images."""
    if not is_dataclass(method):
        return None
    own = [field.name for field in fields(method)]
    return next((name for name in _SETTINGS if name in own), None)


def _with(method: Any, name: str, value: HeldReference) -> Method:
    changed: Method = replace(method, **{name: value})
    return changed


def _prepared(pictures: Sum, encoder: DualEncoder, argument: str) -> PictureReference:
    if not isinstance(encoder.towers.get("image"), ImageTower):
        raise InputError(argument, "is given, but the model has no image tower", "leave it out")
    try:
        inputs = tuple(encoder.prepare(term.value, "image") for term in pictures.terms)
    except InputError as error:
        raise error.renamed(argument) from error
    return PictureReference.of(inputs, tuple(term.weight for term in pictures.terms))
