"""Interactions with the routing of a head frozen: a product, in the ledger of the score itself."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..encoders import Head, Part, cosines, frozen_routing, left_out_when_frozen
from ._contributions import Contributions, Method, ReadsHiddenStates
from ._game import game_of
from ._integral import at_least_float32
from ._interactions import Ledger, ModelGuard, ledger_of
from ._mixed_partials import HeadScore
from ._product import Product
from .banzhaf import Banzhaf
from .occlusion import Occlusion


class FrozenProduct(Product):
    """A product whose ledger has the corners of the score that a head makes, not its own.

    What the head reads differently at the references than at the inputs is no part of the
    product: the ledger leaves it out by name.

    Parameters
    ----------
    rows, columns
        Contributions to the text's embedding, and to the image's with frozen routing.
    names, guard
        See :class:`.Product`.
    unit_scale
        What the unit makes of a cosine.
    corners
        Computes the scores of the text alone, the image alone and neither, ``(3,)``; ``None``
        where a method knows no references.
    left_out_name
        What the product leaves out, in words.
    """

    def __init__(
        self,
        rows: Contributions,
        columns: Contributions,
        names: tuple[str, str],
        guard: ModelGuard,
        unit_scale: float,
        corners: Callable[[], Tensor] | None,
        left_out_name: str,
    ):
        lengths = float(rows.embedding.norm()) * float(columns.embedding.norm())
        super().__init__(rows, columns, names, guard, unit_scale / lengths, unit_scale)
        self._corners = corners
        self._left_out_name = left_out_name

    def ledger(self) -> Ledger:
        frozen = super().ledger()
        if self._corners is None:
            return frozen
        with self._guard(), torch.no_grad():
            corners = self._corners().double() * self._unit_scale
        rows_with, columns_with, neither = corners.tolist()
        own = ledger_of(
            frozen.similarity, rows_with, columns_with, neither, frozen.pairs, self._unit_scale
        )
        # The product's own residual is what its pairs miss; the rest is what it leaves out.
        return replace(
            own,
            left_out=own.residual - frozen.residual,
            left_out_name=self._left_out_name,
            residual=frozen.residual,
        )


def measure_frozen(
    head: Head,
    method: Method,
    text: Part,
    image: Part,
    guard: ModelGuard,
    unit_scale: float,
) -> FrozenProduct:
    """Return the interactions of a text and an image with what the head reads held fixed.

    Parameters
    ----------
    head, method
        The head, and any method.
    text, image
        The inputs.
    guard, unit_scale
        See :class:`FrozenProduct`.
    """
    outputs = text.output(), image.output()
    rows = method.measure(text.followed_by(head.embed))
    columns = method.measure(image.followed_by(frozen_routing(head, outputs[1], outputs[0])))

    def corners() -> Tensor:
        (of_text, text_reference), (of_image, image_reference) = (
            (output, at_reference(part))
            for output, part in zip(outputs, (text, image), strict=True)
        )
        images = torch.stack([image_reference, of_image, image_reference])
        texts = torch.stack([of_text, text_reference, text_reference])
        if isinstance(method, ReadsHiddenStates):
            return HeadScore.of(head, of_image, of_text, "fixed")(images, texts)
        return cosines(head, images, texts)  # as masked inputs are compared

    def at_reference(part: Part) -> Tensor:
        """Return what the tower gives for the reference, ``(K,)``."""
        if isinstance(method, ReadsHiddenStates):
            split = part.split(method.reference(part.tower.name))
            return at_least_float32(split.embed(split.reference[None])[0])
        assert isinstance(method, Occlusion | Banzhaf)
        return game_of(part, method.removal).nothing()

    has_references = isinstance(method, ReadsHiddenStates | Occlusion | Banzhaf)
    return FrozenProduct(
        rows,
        columns,
        (text.tower.name, image.tower.name),
        guard,
        unit_scale,
        corners if has_references else None,
        left_out_when_frozen(head),
    )
