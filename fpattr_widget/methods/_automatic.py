"""The integrated Jacobian of any tower, by automatic differentiation along the path."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..encoders import MemoryBudget, Split, block_numbers
from ..progress import checkpoint
from ._integral import at_least_float32, units
from ._linearised import Linearised
from ._memory import GraphMemory
from ._nodes import NodeIntegral
from ._quadrature import Quadrature

# Directions or tangents that share a pass, which is faster on a GPU. On a
# CPU one alone keeps all cores busy, even on small models.
_BATCH_SIZES = {"cuda": 64}
_MANY_BLOCKS = 16


class PathIntegral(NodeIntegral):
    """The integral of a tower by automatic differentiation; see :class:`.NodeIntegral`.

    Parameters
    ----------
    split
        The tower cut at a layer.
    rule, memory_limit, memory_budget
        See :class:`.NodeIntegral`.
    """

    def __init__(
        self,
        split: Split,
        rule: Quadrature,
        memory_limit: int,
        memory_budget: MemoryBudget | None = None,
    ):
        self._split = split
        self._start = at_least_float32(split.reference)
        change = at_least_float32(split.states) - self._start
        positions, width = change.shape
        numbers = _MANY_BLOCKS * block_numbers(positions, width)
        super().__init__(rule, change, positions, numbers, memory_limit, memory_budget)

    def _record(self, nodes: Tensor) -> "_Graph":
        states = self._start + nodes[:, None, None] * self._change
        return _Graph.record(self._split, states.to(self._split.states.dtype), self._change)


class _Graph:
    """The recorded forward pass of a few nodes; see ``RecordedNodes``."""

    def __init__(self, split: Split, states: Tensor, embeddings: Tensor, change: Tensor, size: int):
        self.states, self.embeddings, self.size = states, embeddings, size
        self.nodes = len(states)
        self._change = change
        self._split = split
        self._linearised: Linearised | None = None
        self._size_of_linearised = 0

    @staticmethod
    def record(split: Split, states: Tensor, change: Tensor) -> "_Graph":
        memory = GraphMemory(split.weights)
        with split.differentiable(), torch.enable_grad():
            states = states.detach().requires_grad_()
            with memory.counting():
                embeddings = split.embed(states)
        return _Graph(split, states, embeddings, change, memory.size)

    def values(self) -> Tensor:
        return at_least_float32(self.embeddings.detach())

    def push(self, shares: Tensor, limit: int) -> Tensor:
        if self._linearised is None:
            memory = GraphMemory(self._split.weights)
            with self._split.differentiable(), memory.counting():
                self._linearised = Linearised(self.embeddings, self.states)
            self._size_of_linearised = memory.size
            self.size += memory.size
        linearised = self._linearised
        # Unit vectors, scaled afterwards, because half precision has a short range.
        lengths, tangents = units(shares[:, :, None] * self._change, 2)
        at_nodes = tangents.to(self.states.dtype)[:, None].expand(-1, self.nodes, -1, -1)
        parts = [
            linearised.push_together(batch) if len(batch) > 1 else linearised.push(batch[0])[None]
            for batch in at_nodes.split(self._batch_size(limit))
        ]
        return lengths[:, None, None] * at_least_float32(torch.cat(parts))

    def pull(self, directions: Tensor, weights: Tensor, limit: int) -> Tensor:
        factors = weights.split(self._batch_size(limit))
        parts = [
            ((factor[:, :, None, None] * gradients).sum(1) * self._change).sum(-1)
            for factor, gradients in zip(factors, self._gradients(directions, limit), strict=True)
        ]
        return torch.cat(parts)

    def _gradients(self, cotangents: Tensor, limit: int) -> "Iterator[Tensor]":
        """Yield batches of gradients at the states, ``(m, nodes, features, width)`` together."""
        for batch in cotangents.to(self.embeddings.dtype).split(self._batch_size(limit)):
            checkpoint()
            (gradients,) = torch.autograd.grad(
                self.embeddings,
                self.states,
                batch if len(batch) > 1 else batch[0],
                retain_graph=True,
                is_grads_batched=len(batch) > 1,
            )
            yield at_least_float32(gradients.view(len(batch), *self.states.shape))

    def release_linearised(self) -> None:
        """Release what only pushing needs."""
        self.size -= self._size_of_linearised
        self._size_of_linearised = 0
        self._linearised = None

    def _batch_size(self, limit: int) -> int:
        fits = limit // (2 * self.size + 1)
        return min(_BATCH_SIZES.get(self.states.device.type, 1), max(1, fits))
