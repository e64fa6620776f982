"""The paper's method: Jacobians integrated from a reference to the input."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, PreparedImage, PreparedText, Split
from ..errors import InputError
from .closed_form import Integrator, closed_form
from .integral import Integral, at_least_float32, relative_distance
from .path import PathIntegral
from .quadrature import RULES, quadrature

_MOST_NODES = 256


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
        Number of nodes, or ``"auto"``: the fewest that bring the completeness
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
        For ``steps="auto"``. For weights of half precision it is never less
        than four of their rounding errors.

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
        return self._measure(encoder, encoder.split_text(text, layer, self.text_reference))

    def measure_image(
        self, encoder: DualEncoder, image: PreparedImage, layer: int
    ) -> "IntegratedContributions":
        return self._measure(encoder, encoder.split_image(image, layer, self.image_reference))

    def _measure(self, encoder: DualEncoder, split: Split) -> "IntegratedContributions":
        path = Path.of(encoder, split)
        if self.steps != "auto":
            return path.integrate(*quadrature(self.rule, int(self.steps)))
        rounding = 4 * torch.finfo(split.states.dtype).eps
        tolerance = max(self.tolerance, rounding)
        found = _fewest_nodes(
            lambda count: path.integrate(*quadrature(self.rule, count)), tolerance
        )
        if found.residual > tolerance:
            warnings.warn(
                f"the {split.tower} tower's integral reached a residual of {found.residual:.1e} "
                f"with {found.steps} nodes, not the tolerance of {tolerance:.1e}",
                stacklevel=2,
            )
        return found


def _fewest_nodes(
    integrate: Callable[[int], "IntegratedContributions"], tolerance: float
) -> "IntegratedContributions":
    """Double the nodes until the tolerance is met, then halve the gap to what did not meet it."""
    below, count = 0, 1
    best = integrate(count)
    while best.residual > tolerance:
        if count == _MOST_NODES:
            return best
        below, count = count, 2 * count
        best = integrate(count)
    while count - below > 1:
        middle = (below + count) // 2
        tried = integrate(middle)
        if tried.residual <= tolerance:
            best, count = tried, middle
        else:
            below = middle
    return best


@dataclass(frozen=True)
class Path:
    """The way from a tower's reference to its input, ready to be integrated over.

    Attributes
    ----------
    split
        The tower, cut.
    integrator
        Makes the integral for given nodes.
    embedding, reference
        ``g(x)`` as the model gives it, and ``g(r)``, ``(K,)``.
    closed
        Whether the last block's closed form is used.
    """

    split: Split
    integrator: Integrator
    embedding: Tensor
    reference: Tensor
    closed: bool

    @staticmethod
    def of(encoder: DualEncoder, split: Split) -> "Path":
        embedding = at_least_float32(split.embedding)
        encoder.require_finite(embedding, split.tower)
        limit = encoder.memory_limit
        form = closed_form(split, limit)
        if form is not None:
            return Path(split, form.integrator, embedding, form.reference, closed=True)

        def integrator(nodes: np.ndarray, weights: np.ndarray) -> Integral:
            return PathIntegral(split, nodes, weights, limit)

        with torch.no_grad():
            reference = at_least_float32(split.embed(split.reference[None])[0])
        return Path(split, integrator, embedding, reference, closed=False)

    def integrate(self, nodes: np.ndarray, weights: np.ndarray) -> "IntegratedContributions":
        """Integrate over given nodes."""
        return IntegratedContributions(self, nodes, weights)


class IntegratedContributions:
    """One tower's contributions, by Jacobian products; see ``Contributions``.

    Attributes
    ----------
    steps
        Number of nodes used.
    residual
        The completeness residual that they reached.
    """

    def __init__(self, path: Path, nodes: np.ndarray, weights: np.ndarray):
        self._integral = path.integrator(nodes, weights)
        self._closed = path.closed
        self.embedding, self.reference = path.embedding, path.reference
        self.features = len(path.split.states)
        self.steps = len(nodes)
        self.total = self._integral.of(np.ones((1, self.features)))[0]
        self.residual = relative_distance(self.total, self.embedding - self.reference)

    def of(self, weights: np.ndarray) -> Tensor:
        return self._integral.of(weights)

    def against(self, directions: Tensor) -> np.ndarray:
        return self._integral.against(directions).cpu().numpy()

    def describe(self) -> str:
        nodes = "1 node" if self.steps == 1 else f"{self.steps} nodes"
        return f"{nodes}, closed form" if self._closed else nodes

    def release(self) -> None:
        self._integral.release()
