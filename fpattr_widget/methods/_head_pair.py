"""One text and one image of a model whose head makes the score: with what it reads held fixed."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..encoders import (
    Head,
    Part,
    ReadOut,
    cosines,
    frozen_routing,
    frozen_through,
    has_read_out,
    left_out_when_frozen,
    read_out_of,
)
from ..errors import InputError
from ._contributions import Contributions, Method, ReadsHiddenStates
from ._game import game_of
from ._integral import at_least_float32
from ._interactions import Interactions, Ledger, ModelGuard, PartName, ledger_of, no_part
from ._mixed_partials import HeadScore
from ._path import IntegratedContributions
from ._product import Product
from .banzhaf import Banzhaf
from .integrated_jacobians import IntegratedJacobians
from .occlusion import Occlusion


@dataclass(frozen=True)
class HeadPair:
    """A text and an image, what their head read, and the products that this makes.

    Attributes
    ----------
    head, method
        The head, and any method.
    text, image
        The inputs.
    guard, unit_scale
        See :class:`.Product`.
    """

    head: Head
    method: Method
    text: Part
    image: Part
    guard: ModelGuard
    unit_scale: float

    def read_outs(self) -> tuple[ReadOut, ...]:
        """Return the one read-out; none where the head has none."""
        if not has_read_out(self.head):
            return ()
        with self.guard():
            of_text, of_image = self._outputs
            panels = self.text.last_panel, self.image.last_panel
            return (read_out_of(self.head, of_image, of_text, panels),)

    def frozen(self) -> "FrozenProduct":
        """Return the interactions with what the head reads held fixed."""
        has_references = isinstance(self.method, ReadsHiddenStates | Occlusion | Banzhaf)
        return FrozenProduct(self, self._rows, self._columns, has_references=has_references)

    def through(self, place: int) -> Product:
        """Return the part of the frozen product that goes through one place.

        Raises
        ------
        InputError
            When the method takes no derivatives.
        """
        if not isinstance(self.method, ReadsHiddenStates):
            raise InputError(
                "method",
                f"is {self.method.label}, whose parts do not add up",
                "pass method='integrated_jacobians'",
            )
        of_text, of_image = self._outputs
        read = frozen_through(self.head, of_image, of_text, place)
        method: Method = self.method
        whole = self._columns
        if isinstance(method, IntegratedJacobians) and isinstance(whole, IntegratedContributions):
            method = replace(method, steps=whole.steps)  # at its nodes, so that they add up
        columns = method.measure(self.image.followed_by(read, may_be_zero=True))
        return Product(self._rows, columns, self.names, self.guard, self.scale, self.unit_scale)

    @property
    def names(self) -> tuple[str, str]:
        """What the two sides are called."""
        return self.text.tower.name, self.image.tower.name

    @property
    def scale(self) -> float:
        """What products are multiplied by."""
        lengths = (float(side.embedding.norm()) for side in (self._rows, self._columns))
        return self.unit_scale / (next(lengths) * next(lengths))

    def corners(self) -> Tensor:
        """Return the scores of the text alone, of the image alone and of neither, ``(3,)``."""
        of_text, of_image = self._outputs
        text_reference, image_reference = map(self._at_reference, (self.text, self.image))
        images = torch.stack([image_reference, of_image, image_reference])
        texts = torch.stack([of_text, text_reference, text_reference])
        if isinstance(self.method, ReadsHiddenStates):
            return HeadScore.of(self.head, of_image, of_text, "fixed")(images, texts)
        return cosines(self.head, images, texts)  # as masked inputs are compared

    def _at_reference(self, part: Part) -> Tensor:
        """Return what the tower gives for the reference, ``(K,)``."""
        if isinstance(self.method, ReadsHiddenStates):
            split = part.split(self.method.reference(part.tower.name))
            return at_least_float32(split.embed(split.reference[None])[0])
        assert isinstance(self.method, Occlusion | Banzhaf)
        return game_of(part, self.method.removal).nothing()

    @property
    def _outputs(self) -> tuple[Tensor, Tensor]:
        return self.text.output(), self.image.output()

    @cached_property
    def _rows(self) -> Contributions:
        return self.method.measure(self.text.followed_by(self.head.embed))

    @cached_property
    def _columns(self) -> Contributions:
        of_text, of_image = self._outputs
        read = frozen_routing(self.head, of_image, of_text)
        return self.method.measure(self.image.followed_by(read))


class FrozenProduct(Product):
    """A product whose ledger has the corners of the score that a head makes, not its own.

    What the head reads differently at the references than at the inputs is no part of the
    product: the ledger leaves it out by name.

    Parameters
    ----------
    pair
        The two inputs.
    rows, columns
        Contributions to the text's embedding, and to the image's with frozen routing.
    has_references
        Whether the method knows references, at which there are corners.
    """

    def __init__(
        self, pair: HeadPair, rows: Contributions, columns: Contributions, *, has_references: bool
    ):
        super().__init__(rows, columns, pair.names, pair.guard, pair.scale, pair.unit_scale)
        self._pair = pair
        self._has_references = has_references

    def read_outs(self) -> tuple[ReadOut, ...]:
        return self._pair.read_outs()

    def part(self, name: PartName) -> Interactions:
        raise no_part(name)

    def through(self, place: int) -> Product:
        return self._pair.through(place)

    def ledger(self) -> Ledger:
        frozen = super().ledger()
        if not self._has_references:
            return frozen
        with self._guard(), torch.no_grad():
            corners = self._pair.corners().double() * self._unit_scale
        rows_with, columns_with, neither = corners.tolist()
        own = ledger_of(
            frozen.similarity, rows_with, columns_with, neither, frozen.pairs, self._unit_scale
        )
        # The product's own residual is what its pairs miss; the rest is what it leaves out.
        return replace(
            own,
            left_out=own.residual - frozen.residual,
            left_out_name=left_out_when_frozen(self._pair.head),
            residual=frozen.residual,
        )
