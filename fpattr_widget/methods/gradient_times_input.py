"""Gradient × input: the Jacobian at the input alone, not integrated."""

from dataclasses import dataclass

import numpy as np

from ..encoders import DualEncoder, PreparedImage, PreparedText, Split
from ._contributions import ReadsLayers
from .integrated_jacobians import IntegratedContributions, Path


@dataclass(frozen=True)
class GradientTimesInput(ReadsLayers):
    """The path of :class:`IntegratedJacobians` cut down to its end.

    ``c_i = J_g(x) [e_i ⊗ (x_i − r_i)]``: one node at ``α = 1``, so the second
    derivative of the dot product times the two changes. What saturates is
    missed, and nothing adds up but to first order; the ledger's residual says
    by how much.

    Parameters
    ----------
    text_reference, image_reference
        See :class:`IntegratedJacobians`.
    """

    text_reference: str | None = None
    image_reference: str = "zeros"

    @property
    def label(self) -> str:
        return "gradient × input"

    def measure_text(
        self, encoder: DualEncoder, text: PreparedText, layer: int
    ) -> IntegratedContributions:
        return _at_the_input(encoder, encoder.split_text(text, layer, self.text_reference))

    def measure_image(
        self, encoder: DualEncoder, image: PreparedImage, layer: int
    ) -> IntegratedContributions:
        return _at_the_input(encoder, encoder.split_image(image, layer, self.image_reference))


def _at_the_input(encoder: DualEncoder, split: Split) -> IntegratedContributions:
    return Path.of(encoder, split).integrate(np.ones(1), np.ones(1))
