"""``attribute``: explain the similarity of any two sides."""

from collections.abc import Sequence
from typing import Any, get_args

from ..choices import MethodName
from ..encoders import (
    CaptionLike,
    DualEncoder,
    ImageLike,
    Layer,
    ModelLike,
    Picture,
    Prepared,
    ProcessorLike,
    Side,
    Sum,
    Term,
    Text,
    as_sum,
    check_choice,
    encoder_of,
    ordered,
    places_of,
)
from ..errors import InputError
from ..methods import (
    UNITS,
    HowRead,
    ImageReference,
    Method,
    Norms,
    PartName,
    Reading,
    SideInputs,
    Unit,
    check_reading,
    for_encoder,
    measure,
    method_of,
    require_fit,
)
from ._document import About
from ._pairs import FeaturePairs
from ._parts import NO_PARTS, Parts

#: Everything that users may pass as ``method``.
MethodLike = MethodName | str | Method


def attribute(
    model: ModelLike,
    first: ImageLike | Sum,
    second: CaptionLike | Sum,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    *,
    unit: Unit | None = None,
    reference: ImageReference | None = None,
    reading: Reading | None = None,
    norms: Norms = "fixed",
    processor: ProcessorLike = None,
) -> FeaturePairs:
    """Attribute the similarity of two sides, such as an image and a caption, to pairs of features.

    Parameters
    ----------
    model
        ``"bundled"``, ``"scenes"`` or ``"llip"``, a Hugging Face model id, a local folder, a
        loaded module (with ``processor``), or an encoder from
        :func:`fpattr_widget.load_encoder`. Encoders that are loaded by name are cached.
        To reuse what was computed with a loaded module, pass an encoder.
    first
        One side: an image (a path, bytes, a PIL image, an array (H, W, 3) uint8, a tensor
        (1, 3, h, w) already preprocessed, or what a processor returned), or ``Picture``,
        ``Text`` or a sum of them, such as ``Text("a dog") - Text("a cat")``.
    second
        The other side: a caption (a string, or token ids (1, S)), or as above.
        Captions are the rows and pictures the columns where the kinds differ; otherwise the
        first side is the rows.
    method
        A method such as ``IntegratedJacobians(steps=32)``, or its name.
    layer
        Number of the block at whose input the features are read, ``−1`` for
        the last, a pair ``(text, image)`` or a mapping from the towers' names; ``None`` means
        the encoder's default. Only for methods that differentiate: others read
        features at a fixed place.
    unit
        What the score is counted in: ``"cosine"`` of the two embeddings, or of the two sums;
        ``"difference"``: the weighted sum of the cosines of all pairs of inputs, the default
        where a side is a sum; or ``"logit"``: that times the model's own scale, so that the
        difference of two captions is the logarithm of the odds between them.
    reference
        What the images are compared with, in place of the method's own reference: a picture of
        the same size, such as the picture before an edit of which ``first`` is the picture
        after. With ``r`` the picture before, contributions add up to ``g(x) − g(r)``, so that
        the ledger's pairs and ``image_only`` add up to ``s(after, b) − s(before, b)``. Also
        several pictures, whose mean it is, and ``"blurred"`` or ``"zeros"``; see
        :class:`IntegratedJacobians`. It concerns all images of both sides.
    reading
        For a model that reads an image by the caption, such as a Llip: ``"exact"``, the mixed
        second derivatives of its score; its part ``"match"``, through what words meet in what
        is read, or ``"routing"``, through what they choose to read, which add up to it; or
        ``"frozen"``, with what this pair reads held fixed, so that the score is a product.
        ``None`` is exact where that can be: where each token of a text takes the best of an
        image's, as in a ColPali, only the score with fixed winners has derivatives.
    norms
        For such a model: ``"fixed"`` counts changes in units of both embeddings' lengths at the
        input, as with all other models, so that a text that is twice as far counts twice;
        ``"moving"`` takes the true cosine at every node, so that the ledger's corners are
        cosines. The lengths are a pair's own: two captions of one image differ in them.
    processor
        See :func:`fpattr_widget.load_encoder`.

    Returns
    -------
    FeaturePairs
        The arguments are checked; nothing is computed yet.

    Raises
    ------
    InputError
        When the model, an input, the method, the layer, the unit or the reference cannot be
        used.
    """
    chosen = method_of(method)
    if chosen.reads_at is not None and layer is not None:
        raise InputError(
            "layer",
            f"is {layer!r}, but {chosen.label} knows no layers (it reads features "
            f"{chosen.reads_at})",
            "leave `layer` out",
        )
    sums = ordered(_as_side(first, Picture), _as_side(second, Text))
    encoder = encoder_of(model, processor)
    chosen = for_encoder(chosen, encoder, reference)
    chosen.check(encoder)
    # If a tower's grid depends on the layer, other methods use that of its last block.
    layers = encoder.resolve_layers(layer if chosen.reads_at is None else -1)
    block_of = dict(zip(encoder.towers, layers, strict=True))
    inputs = tuple(_prepared(encoder, side.terms) for side in sums)
    prepared = [one for side in inputs for one in side.inputs]
    if reference is not None and all(one.tower_name != "image" for one in prepared):
        raise InputError("reference", "is given, but neither side has an image", "leave it out")
    require_fit(chosen, prepared)
    rows, columns = (
        Side(
            tuple(encoder.panel(one, block_of[one.tower_name]) for one in side.inputs),
            side.weights,
        )
        for side in inputs
    )
    counted = _unit(unit, rows, columns)
    if reading is not None:
        check_choice("reading", reading, get_args(Reading))
    check_choice("norms", norms, get_args(Norms))
    how = HowRead.of(encoder.head, reading, norms)
    first_inputs, second_inputs = inputs
    check_reading(encoder, chosen, (first_inputs, second_inputs), counted, how)
    if counted == "logit":
        encoder.require_logits("unit")
    used = {one.tower_name for one in prepared}
    blocks = [f"{name} block {block}" for name, block in block_of.items() if name in used]
    where = chosen.reads_at or " · ".join(blocks)
    cheaper = chosen.cheaper_alternative(encoder, layers if chosen.reads_at is None else None)

    how_read = f"{chosen.label}{how.in_words(encoder.head)}"
    return FeaturePairs(
        lambda: measure(encoder, chosen, (first_inputs, second_inputs), layers, counted, how),
        rows=rows,
        columns=columns,
        about=About(encoder.name, how_read, where, counted),
        cheaper_alternative=cheaper,
        parts=_parts(encoder, chosen, how),
    )


def _parts(encoder: DualEncoder, method: Method, how: HowRead) -> Parts:
    """Return the parts that pairs have which are read in a way."""
    # They are of derivatives, and parts themselves have none.
    takes_derivatives = encoder.head is not None and method.reads_at is None
    if not takes_derivatives or how.reading not in ("exact", "frozen"):
        return NO_PARTS
    # What goes through a place is counted in fixed lengths.
    places, count = places_of(encoder.head) if how.norms == "fixed" else ((), 0)
    return Parts(get_args(PartName) if how.reading == "exact" else (), places, count)


def _as_side(value: Any, kind: type[Picture | Text]) -> Sum:
    """Return a side as a sum, or raise ``InputError`` where it is a list of inputs."""
    if isinstance(value, list | tuple) and any(isinstance(one, Sum) for one in value):
        raise InputError(
            "image" if kind is Picture else "caption",
            "is a list of inputs",
            "add them, as in Text('a') - Text('b') or mean([...])",
        )
    return as_sum(value, kind)


def _prepared(encoder: DualEncoder, terms: Sequence[Term]) -> SideInputs:
    """Return the inputs of a side; name the part that cannot be used where there are several."""
    prepared: list[Prepared] = []
    places = {"text": 0, "image": 1}
    for number, term in enumerate(terms):
        # Towers of other kinds take what is passed in their place.
        names = list(encoder.towers)
        name = term.tower_name if term.tower_name in names else names[places[term.tower_name]]
        try:
            prepared.append(encoder.prepare(term.value, name))
        except InputError as error:
            if len(terms) == 1:
                raise
            which = f"(part {number + 1} of {len(terms)})"
            raise InputError(error.argument, f"{which} {error.problem}", error.remedy) from error
    return SideInputs(tuple(prepared), tuple(term.weight for term in terms))


def _unit(unit: Unit | None, rows: Side, columns: Side) -> Unit:
    if unit is None:
        return "difference" if rows.is_sum or columns.is_sum else "cosine"
    if unit not in UNITS:
        raise InputError("unit", f"is {unit!r}", f"pass one of {', '.join(map(repr, UNITS))}")
    if unit == "difference" and not (rows.is_sum or columns.is_sum):
        return "cosine"  # of one input and one input they are the same
    return unit
