"""Integrated gradients of the similarity by the picture, the text held fixed."""

from dataclasses import dataclass

from torch import Tensor

from ..encoders import DualEncoder, Part
from ._contributions import LATER_LAYER
from ._first_order import FirstOrder, unit_length
from ._path import IntegratedContributions
from ._reference import ImageReference, held_reference, in_words
from .integrated_jacobians import IntegratedJacobians


@dataclass(frozen=True)
class IntegratedGradients(FirstOrder):
    """Integrated gradients of a picture for each word: a first-order baseline, not pairs.

    For a text whose embedding ``ĥ`` of unit length is held fixed, the map is
    ``(x_j − r_j) · ∫₀¹ ∂⟨ĝ(r + α(x − r)), ĥ⟩ / ∂x_j dα`` (Sundararajan, Taly and Yan, *Axiomatic
    Attribution for Deep Networks*, ICML 2017), with ``ĝ`` the picture's embedding of unit length
    and ``x`` its features at the layer. It is complete: over all features it adds up to
    ``⟨ĝ(x), ĥ⟩ − ⟨ĝ(r), ĥ⟩``.

    Each word is taken as a text of its own, and the words of a caption do not meet: there are no
    pairs, and the text's block plays no part. The ledger's ``pairs`` is the sum of the maps of
    all words. That the words alone are not the caption is in its residual.

    Parameters
    ----------
    steps, tolerance
        Of the integral; see :class:`IntegratedJacobians`.
    image_reference
        The picture's reference ``r``; see :class:`IntegratedJacobians`.

    Raises
    ------
    InputError
        When a setting is out of its range.
    """

    steps: int | str = "auto"
    image_reference: ImageReference = "zeros"
    tolerance: float = 5e-3

    reads_at = None

    def __post_init__(self) -> None:
        held = held_reference(self.image_reference, "image_reference")
        object.__setattr__(self, "image_reference", held)
        _ = self._integral  # checks the settings

    @property
    def label(self) -> str:
        return f"integrated gradients (first order){in_words(self.image_reference)}"

    def cheaper_alternative(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        of_image = None if layers is None else layers[1]
        return "" if of_image in (None, encoder.resolve_layers(-1)[1]) else LATER_LAYER

    def check(self, encoder: DualEncoder) -> None:
        self._integral.check(encoder)

    def explain(self, part: Part) -> IntegratedContributions:
        before = part.after

        def after(outputs: Tensor) -> Tensor:
            return unit_length(outputs if before is None else before(outputs))

        return self._integral.measure(part.followed_by(after))

    @property
    def _integral(self) -> IntegratedJacobians:
        return IntegratedJacobians(
            self.steps, image_reference=self.image_reference, tolerance=self.tolerance
        )
