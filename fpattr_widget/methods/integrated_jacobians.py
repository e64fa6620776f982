"""The paper's method: Jacobians integrated from a reference to the input."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, PreparedImage, PreparedText, Split
from ..errors import InputError
from .path import PathJacobian, as_numpy, embed_one, relative_distance
from .quadrature import RULES, quadrature

_NODE_COUNTS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


@dataclass(frozen=True)
class IntegratedJacobians:
    """Integrated Jacobians, exact up to quadrature.

    The contribution of feature ``i`` of a tower ``g`` is
    ``c_i = ∫₀¹ J_g(r + α(x − r)) [e_i ⊗ (x_i − r_i)] dα``, so that
    ``Σ c_i = g(x) − g(r)``. The inner product of the two towers' contributions
    is the second-order attribution of Möller et al., arXiv 2408.14153,
    equation 10.

    Parameters
    ----------
    steps
        Number of nodes, or ``"auto"``: as few as bring the completeness
        residual ``‖Σ c_i − (g(x) − g(r))‖ / ‖g(x) − g(r)‖`` under ``tolerance``.
    rule
        ``"gauss-legendre"``, or ``"right"`` as in the published code.
    text_reference
        ``"pad"``: the same length, content tokens replaced by padding;
        ``"exclip"``: BOS, one token of id 0, EOS, as in the published code;
        ``None``: what the encoder names as its own.
    image_reference
        ``"zeros"`` after preprocessing: the mean colour.
    tolerance
        For ``steps="auto"``.

    Raises
    ------
    InputError
        When a setting is out of its range.
    """

    steps: int | str = "auto"
    rule: str = "gauss-legendre"
    text_reference: str | None = None
    image_reference: str = "zeros"
    tolerance: float = 5e-3

    def __post_init__(self) -> None:
        whole = isinstance(self.steps, int) and not isinstance(self.steps, bool)
        if self.steps != "auto" and not (whole and int(self.steps) >= 1):
            raise InputError(f"`steps` is {self.steps!r}: pass a whole number from 1, or 'auto'.")
        if self.rule not in RULES:
            raise InputError(f"`rule` is {self.rule!r}: pass one of {', '.join(RULES)}.")
        if not 0 < self.tolerance < 1:
            raise InputError(f"`tolerance` is {self.tolerance}: pass a number between 0 and 1.")

    @property
    def label(self) -> str:
        return "integrated Jacobians"

    def measure_text(
        self, encoder: DualEncoder, text: PreparedText, layer: int
    ) -> "IntegratedContributions":
        reference = self.text_reference or encoder.defaults.text_reference
        return self._measure(encoder, encoder.split_text(text, layer, reference), "text")

    def measure_image(
        self, encoder: DualEncoder, image: PreparedImage, layer: int
    ) -> "IntegratedContributions":
        split = encoder.split_image(image, layer, self.image_reference)
        return self._measure(encoder, split, "image")

    def _measure(self, encoder: DualEncoder, split: Split, tower: str) -> "IntegratedContributions":
        embedding = embed_one(split, split.states)
        reference = embed_one(split, split.reference)
        encoder.require_finite(embedding, tower)
        change = embedding - reference
        counts = _NODE_COUNTS if self.steps == "auto" else (int(self.steps),)
        for count in counts:
            jacobian = PathJacobian(split, *quadrature(self.rule, count))
            total = jacobian.push((split.states - split.reference)[None])[0]
            residual = relative_distance(total, change)
            if residual <= self.tolerance:
                break
        else:
            if self.steps == "auto":
                warnings.warn(
                    f"the {tower} tower's integral reached a residual of {residual:.1e} with "
                    f"{count} nodes, not the tolerance of {self.tolerance:.1e}",
                    stacklevel=2,
                )
        return IntegratedContributions(
            split, jacobian, embedding, reference, total, count, residual
        )


class IntegratedContributions:
    """One tower's contributions, by Jacobian products; see ``Contributions``.

    Attributes
    ----------
    steps
        Number of nodes used.
    residual
        The completeness residual that they reached.
    """

    def __init__(
        self,
        split: Split,
        jacobian: PathJacobian,
        embedding: Tensor,
        reference: Tensor,
        total: Tensor,
        steps: int,
        residual: float,
    ):
        self._change = split.states - split.reference
        self._jacobian = jacobian
        self.embedding, self.reference, self.total = embedding, reference, total
        self.features = len(self._change)
        self.steps, self.residual = steps, residual

    def of(self, weights: np.ndarray) -> Tensor:
        scale = torch.as_tensor(weights).to(self._change)
        return self._jacobian.push(scale[:, :, None] * self._change)

    def against(self, directions: Tensor) -> np.ndarray:
        gradients = self._jacobian.pull(directions)
        return as_numpy((gradients * self._change).sum(-1))

    def describe(self) -> str:
        return f"{self.steps} nodes"

    def release(self) -> None:
        self._jacobian.release()
