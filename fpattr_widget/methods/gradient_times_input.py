"""Gradient × input: the Jacobian at the input alone, not integrated."""

from dataclasses import dataclass

from ..encoders import Part
from ._contributions import ReadsHiddenStates
from ._path import IntegratedContributions, Path
from ._quadrature import AT_THE_INPUT
from ._reference import ImageReference, held_reference, in_words


@dataclass(frozen=True)
class GradientTimesInput(ReadsHiddenStates):
    """Gradient × input: the Jacobian at the end of :class:`IntegratedJacobians`'s path.

    ``c_i = J_g(x) [e_i ⊗ (x_i − r_i)]``, one node at ``α = 1``: an attribution is the second
    derivative of the dot product times the two changes. Saturation is
    missed, and the sum is complete to first order only; the ledger's residual is the
    difference.

    Parameters
    ----------
    text_reference, image_reference
        See :class:`IntegratedJacobians`.
    """

    text_reference: str | None = None
    image_reference: ImageReference = "zeros"

    def __post_init__(self) -> None:
        held = held_reference(self.image_reference, "image_reference")
        object.__setattr__(self, "image_reference", held)

    @property
    def label(self) -> str:
        return f"gradient × input{in_words(self.image_reference)}"

    def measure(self, part: Part) -> IntegratedContributions:
        split = part.split(self.reference(part.tower.name))
        return Path.of(part, split).integrate(AT_THE_INPUT)
