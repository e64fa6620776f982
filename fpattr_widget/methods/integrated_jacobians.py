"""The paper's method: Jacobians integrated from a reference to the input."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, Kept, PreparedImage, PreparedText, Split
from ..errors import InputError
from ..progress import LONG, about, cheaper, report
from ._closed_form import ClosedForm, Integrator, closed_form
from ._contributions import LATER, Certain, ReadsLayers
from ._integral import at_least_float32, relative_distance
from ._path import PathIntegral
from ._quadrature import RULES, quadrature

_MOST_NODES = 256
# From so many on, slow progress ends the search.
_PATIENT_NODES = 64
# What a search takes that ends at the count that is tried, or at the least that it
# mostly needs: in forward passes a node, and for the bisection in counts more.
_LEAST, _PASSES, _BISECTION = 8, 3, 1.5
# Node counts that are tried in one pass where that is cheap.
_AT_ONCE = (1, 2, 3, 4)


@dataclass(frozen=True)
class IntegratedJacobians(ReadsLayers):
    """Integrated Jacobians, exact up to quadrature.

    The contribution of feature ``i`` of a tower ``g`` is
    ``c_i = ∫₀¹ J_g(r + α(x − r)) [e_i ⊗ (x_i − r_i)] dα``, so that
    ``Σ c_i = g(x) − g(r)``. The inner product of the two towers' contributions
    is the second-order attribution of Möller et al., arXiv 2408.14153,
    equation 10.

    Parameters
    ----------
    steps
        Number of nodes, or ``"auto"``: the fewest that are met, in doubling and
        then halving the gap to too few, which bring the completeness residual
        ``‖Σ c_i − (g(x) − g(r))‖ / ‖g(x) − g(r)‖`` under ``tolerance``, or as many
        as the encoder names for its own layers, where these do. It bounds the
        sum over features, not what each of them is off by.
    rule
        ``"gauss-legendre"``, or ``"right"`` as in the published code.
    text_reference
        ``"pad"``: the same length, content tokens replaced by padding, or by
        token 0 where padding also ends the text, as OpenAI's does ("!!!");
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
        split = encoder.split_text(text, layer, self.text_reference)
        return self._measure(encoder, split, self._usual(encoder, layer, 0))

    def measure_image(
        self, encoder: DualEncoder, image: PreparedImage, layer: int
    ) -> "IntegratedContributions":
        split = encoder.split_image(image, layer, self.image_reference)
        return self._measure(encoder, split, self._usual(encoder, layer, 1))

    def _usual(self, encoder: DualEncoder, layer: int, tower: int) -> int | None:
        """Return the count that the encoder names, if it is for this rule and layer."""
        own = encoder.defaults.nodes
        at_home = layer == encoder.resolve_layers(None)[tower]
        return own[tower] if own and at_home and self.rule == "gauss-legendre" else None

    def _measure(
        self, encoder: DualEncoder, split: Split, usual: int | None
    ) -> "IntegratedContributions":
        path = Path.of(encoder, split)
        if self.steps != "auto":
            return path.integrate(*quadrature(self.rule, int(self.steps)))
        tolerance = max(self.tolerance, 4 * torch.finfo(split.states.dtype).eps)
        if usual is not None and path.residual(*quadrature(self.rule, usual)) <= tolerance:
            return path.integrate(*quadrature(self.rule, usual))
        if path.closed:
            # One pass for the node counts that mostly suffice.
            path.derivative(np.concatenate([quadrature(self.rule, n)[0] for n in _AT_ONCE]))
        pass_seconds = 0.0 if path.closed else path.seconds_of_a_pass()

        def residual(count: int) -> float:
            tried = f"{count}\N{NO-BREAK SPACE}…"  # a line never begins with the dots
            seconds = pass_seconds * _PASSES * (count + _BISECTION * max(count, _LEAST))
            cost = f" · {about(seconds)}{cheaper(LATER)}" if seconds and seconds >= LONG else ""
            report(f"finding how many nodes the {split.tower} needs: {tried}{cost}")
            return path.residual(*quadrature(self.rule, count))

        count = _fewest_nodes(residual, tolerance)
        found = path.integrate(*quadrature(self.rule, count))
        if found.residual > tolerance:
            warnings.warn(
                f"the {split.tower} tower's integral reached a residual of {found.residual:.1e} "
                f"with {found.steps} nodes, not the tolerance of {tolerance:.1e}, which more nodes "
                "would hardly reach: pass `steps=` to take as many as you like, or a later `layer`",
                stacklevel=2,
            )
        return found


def _fewest_nodes(residual: Callable[[int], float], tolerance: float) -> int:
    """Return the fewest nodes that reach a tolerance, along doubling and bisection.

    Towers with kinks, such as ReLU's, gain little from each doubling. Where
    the last one foretells that ``_MOST_NODES`` would not suffice, the best
    count so far is the answer.
    """
    reached: dict[int, float] = {}

    def suffices(count: int) -> bool:
        reached[count] = residual(count)
        return reached[count] <= tolerance

    below, count = 0, 1
    while not suffices(count):
        if count >= _MOST_NODES or (count >= _PATIENT_NODES and _is_slow(reached, tolerance)):
            return min(reached, key=lambda one: (reached[one], one))
        below, count = count, 2 * count
    while count - below > 1:
        middle = (below + count) // 2
        below, count = (below, middle) if suffices(middle) else (middle, count)
    return count


def _is_slow(reached: dict[int, float], tolerance: float) -> bool:
    """Tell whether doubling at the last two doublings' rate would end beyond ``_MOST_NODES``."""
    count = max(reached)
    gain = reached[count // 4] / reached[count] if reached[count] else np.inf
    rate = np.log2(gain) / 2  # of two doublings, for a single one may be a stroke of luck
    doublings = np.log2(_MOST_NODES / count)
    return bool(rate * doublings < np.log2(reached[count] / tolerance))


class Path:
    """The way from a tower's reference to its input, ready to be integrated over.

    Attributes
    ----------
    split
        The tower, cut.
    embedding, reference
        ``g(x)`` as the model gives it, and ``g(r)``, ``(K,)``.
    closed
        Whether the last block's closed form is used.
    """

    def __init__(
        self, split: Split, form: ClosedForm | None, memory_limit: int, kept: Kept | None = None
    ):
        self.split = split
        self._kept = kept
        self._latest: PathIntegral | None = None
        self.closed = form is not None
        self.embedding = at_least_float32(split.embedding)
        self._limit = memory_limit
        self._form = form
        self._derivatives: dict[float, Tensor] = {}
        if form is not None:
            self.reference = form.reference
        else:
            with torch.no_grad():
                self.reference = at_least_float32(split.embed(split.reference[None])[0])

    def seconds_of_a_pass(self) -> float:
        """Run the rest of the tower at one node; return how long that takes."""
        started = time.monotonic()
        with torch.no_grad():
            self.split.embed(self.split.reference[None])
        return time.monotonic() - started

    @staticmethod
    def of(encoder: DualEncoder, split: Split) -> "Path":
        """Open the path of a split, in closed form where there is one that holds."""
        encoder.require_finite(split.embedding, split.tower)
        limit = encoder.memory_limit
        return Path(split, closed_form(split, limit), limit, encoder.kept)

    def integrate(self, nodes: np.ndarray, weights: np.ndarray) -> "IntegratedContributions":
        """Integrate over given nodes."""
        if self._form is not None:
            return IntegratedContributions(self, nodes, weights, self._form.integrator)

        def integrator(nodes: np.ndarray, weights: np.ndarray) -> PathIntegral:
            latest, self._latest = self._latest, None
            if latest is not None and latest.is_at(nodes):  # its graphs are there
                latest.weigh(weights)
                return latest
            return PathIntegral(self.split, nodes, weights, self._limit, self._kept)

        return IntegratedContributions(self, nodes, weights, integrator)

    def derivative(self, nodes: np.ndarray) -> Tensor:
        """Return ``d g(x(α)) / dα`` at given nodes, ``(N,)`` to ``(N, K)``; each is kept."""
        new = np.array([node for node in dict.fromkeys(nodes) if node not in self._derivatives])
        if len(new):
            if self._form is not None:
                found = self._form.derivative(new)
            else:
                self._latest = PathIntegral(self.split, new, new, self._limit, self._kept)
                found = self._latest.derivatives()
            self._derivatives.update(zip(new, found, strict=True))
        return torch.stack([self._derivatives[node] for node in nodes])

    def total(self, nodes: np.ndarray, weights: np.ndarray) -> Tensor:
        """Return ``Σ c_i`` over given nodes, ``(K,)``: one derivative a node."""
        derivative = self.derivative(nodes)
        return torch.as_tensor(weights).to(derivative) @ derivative

    def residual(self, nodes: np.ndarray, weights: np.ndarray) -> float:
        """Return ``‖Σ c_i − (g(x) − g(r))‖ / ‖g(x) − g(r)‖``."""
        return relative_distance(self.total(nodes, weights), self.embedding - self.reference)


class IntegratedContributions(Certain):
    """One tower's contributions, by Jacobian products; see ``Contributions``.

    Attributes
    ----------
    steps
        Number of nodes used.
    """

    def __init__(self, path: Path, nodes: np.ndarray, weights: np.ndarray, integrator: Integrator):
        self._path = path
        self._rule = nodes, weights
        self._integral = integrator(nodes, weights)
        self.embedding, self.reference = path.embedding, path.reference
        self.features = len(path.split.states)
        self.steps = len(nodes)

    @property
    def total(self) -> Tensor:
        return self._path.total(*self._rule)

    @property
    def residual(self) -> float:
        """The completeness residual that the nodes reached."""
        return self._path.residual(*self._rule)

    def of(self, weights: np.ndarray) -> Tensor:
        return self._integral.of(weights)

    def against(self, directions: Tensor) -> np.ndarray:
        return self._integral.against(directions).cpu().numpy()

    def describe(self) -> str:
        nodes = "1 node" if self.steps == 1 else f"{self.steps} nodes"
        return f"{nodes}, closed form" if self._path.closed else nodes

    def release(self) -> None:
        self._integral.release()
