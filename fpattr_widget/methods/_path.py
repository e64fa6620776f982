"""The path from a tower's reference to its input, and contributions integrated along it."""

import time

import numpy as np
import torch
from torch import Tensor

from ..encoders import LRUCache, MemoryBudget, Part, Split
from ._automatic import PathIntegral
from ._closed_form import AttentionIntegral, ClosedForm, MeanIntegral, closed_form
from ._contributions import Deterministic
from ._integral import Integral, at_least_float32, relative_distance
from ._quadrature import Quadrature

# Numbers of nodes whose integrals are cached, for scores that need more than the tower does.
_MOST_INTEGRALS = 3


class Path:
    """The straight path from a tower's reference to its input, to integrate Jacobians along.

    Attributes
    ----------
    split
        The tower cut at a layer.
    embedding, reference
        ``g(x)`` as the model computes it, and ``g(r)``, ``(K,)``.
    has_closed_form
        Whether the last block's closed form is used.
    is_cheap
        Whether derivatives at a node take next to no time.
    """

    def __init__(
        self, split: Split, form: ClosedForm | None, memory_limit: int, memory_budget: MemoryBudget
    ):
        self.split = split
        self._memory_budget = memory_budget
        self._integrals: LRUCache[PathIntegral | AttentionIntegral | MeanIntegral] = LRUCache(
            _MOST_INTEGRALS
        )
        self.has_closed_form = form is not None
        self.is_cheap = form is not None and form.is_cheap
        self.embedding = at_least_float32(split.embedding)
        self._limit = memory_limit
        self._form = form
        self._derivatives: dict[float, Tensor] = {}
        if torch.equal(split.states, split.reference):
            self.reference = self.embedding  # without a rounding error between them
        elif form is not None:
            self.reference = form.reference
        else:
            with torch.no_grad():
                self.reference = at_least_float32(split.embed(split.reference[None])[0])

    @property
    def rounding(self) -> float:
        """Four rounding errors of ``g(x)``, relative to ``‖g(x) − g(r)‖`` where that is less."""
        change, size = float((self.embedding - self.reference).norm()), float(self.embedding.norm())
        relative = max(1.0, size / change) if change else 1.0
        return 4 * torch.finfo(self.split.states.dtype).eps * relative

    def seconds_of_a_pass(self) -> float:
        """Return how long a forward pass of the rest of the tower takes, by running one."""
        started = time.monotonic()
        with torch.no_grad():
            self.split.embed(self.split.reference[None])
        return time.monotonic() - started

    @staticmethod
    def of(part: Part, split: Split) -> "Path":
        """Return the path of an input's split, in closed form if there is one that holds."""
        part.require_finite(split.embedding)
        limit, budget = part.memory_limit, part.memory_budget
        return Path(split, closed_form(split, limit, budget), limit, budget)

    def integrate(
        self, rule: Quadrature, tolerance: float | None = None
    ) -> "IntegratedContributions":
        """Return the contributions that a quadrature rule gives.

        Parameters
        ----------
        rule
            Nodes and weights.
        tolerance
            The residual that was asked for, so that a larger one is named with the nodes;
            ``None`` where none was.
        """
        integral = self._integral(rule.nodes)
        integral.set_weights(rule.weights)
        return IntegratedContributions(self, rule, integral, tolerance)

    def _integral(self, nodes: np.ndarray) -> PathIntegral | AttentionIntegral | MeanIntegral:
        """Return the integral by some nodes, with its graphs where it is cached."""

        def make() -> PathIntegral | AttentionIntegral | MeanIntegral:
            unweighted = Quadrature(nodes, np.ones(len(nodes)))
            if self._form is not None:
                return self._form.integrator(unweighted)
            return PathIntegral(self.split, unweighted, self._limit, self._memory_budget)

        return self._integrals.get(nodes.tobytes(), make)

    def derivative(self, nodes: np.ndarray) -> Tensor:
        """Return ``d g(x(α)) / dα`` at given nodes, ``(N,)`` to ``(N, K)``; each is cached."""
        new = np.array([node for node in dict.fromkeys(nodes) if node not in self._derivatives])
        if len(new):
            derivatives = self._integral(new).derivatives()
            self._derivatives.update(zip(new, derivatives, strict=True))
        return torch.stack([self._derivatives[node] for node in nodes])

    def total(self, rule: Quadrature) -> Tensor:
        """Return ``Σ c_i`` by a quadrature rule, ``(K,)``, at one derivative for each node."""
        derivative = self.derivative(rule.nodes)
        return torch.as_tensor(rule.weights).to(derivative) @ derivative

    def more_nodes(self, count: int) -> int:
        """Return the next larger number of nodes to try.

        A quarter more in closed form, where trying takes less than each row with too many does;
        else twice as many.
        """
        return count + max(1, count // 4) if self.has_closed_form else 2 * count

    def residual(self, rule: Quadrature) -> float:
        """Return ``‖Σ c_i − (g(x) − g(r))‖ / ‖g(x) − g(r)‖``."""
        return relative_distance(self.total(rule), self.embedding - self.reference)


class IntegratedContributions(Deterministic):
    """One tower's contributions, by Jacobian products; see ``Contributions``.

    Attributes
    ----------
    steps
        Number of nodes used.
    path, rule
        What was integrated along, and the nodes with their weights.
    nodes
        The tower at each node of the path.
    """

    def __init__(
        self, path: Path, rule: Quadrature, integral: Integral, tolerance: float | None = None
    ):
        self.path, self.rule = path, rule
        self.nodes = integral
        self.embedding, self.reference = path.embedding, path.reference
        self.features = len(path.split.states)
        self.steps = len(rule)
        self._tolerance = tolerance

    @property
    def total(self) -> Tensor:
        return self.path.total(self.rule)

    @property
    def residual(self) -> float:
        """The relative completeness residual; see :meth:`Path.residual`."""
        return self.path.residual(self.rule)

    def joint(self, weights: np.ndarray) -> Tensor:
        return self.nodes.joint(weights)

    def along(self, directions: Tensor) -> np.ndarray:
        return self.nodes.along(directions).cpu().numpy()

    def describe(self) -> str:
        nodes = "1 node" if self.steps == 1 else f"{self.steps} nodes"
        form = ", closed form" if self.path.has_closed_form else ""
        above = self._tolerance is not None and self.residual > self._tolerance
        return f"{nodes}{form}{f', residual {percent(self.residual)}' if above else ''}"

    def release(self) -> None:
        self.nodes.release()


def percent(share: float) -> str:
    """Return a share in percent with two digits or all before the point, such as ``"2.6 %"``."""
    value = 100 * share
    return f"{value:.0f}\N{NO-BREAK SPACE}%" if value >= 10 else f"{value:.2g}\N{NO-BREAK SPACE}%"
