"""The integrated Jacobian of any tower, by automatic differentiation along the path."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ..encoders import Kept, Split
from ..progress import checkpoint
from ._integral import at_least_float32
from ._linearised import Linearised
from ._memory import block_numbers, halved
from ._quadrature import Quadrature

# Directions and tangents that share a pass where that is faster: on a GPU. On a
# CPU one alone keeps all cores busy, even on small models.
_TOGETHER = {"cuda": 64}
_MANY_BLOCKS = 16
# A graph, and what pushing tangents through it adds, in sizes of the graph.
_WITH_PRODUCTS = 3
# Multiplications of one block's pass on a CPU: about a fifth of a second, after
# which it is asked whether the work is to stop.
_BLOCK_WORK = 10**10


class PathIntegral:
    """A weighted sum over nodes of products with the Jacobian; see ``Integral``.

    All products are made on one graph of the tower's pass at each node, which
    is recorded once where it fits into the memory limit: ``along`` by
    reverse mode, ``joint`` by reverse mode twice (see :mod:`._linearised`).

    Parameters
    ----------
    split
        The tower, cut.
    rule
        Nodes and weights.
    memory_limit
        Bytes for graphs and for what is pushed and pulled together.
    graphs
        Keeps the graphs of all integrals that share the limit.
    """

    def __init__(
        self,
        split: Split,
        rule: Quadrature,
        memory_limit: int,
        graphs: Kept | None = None,
    ):
        self._split = split
        self._start = at_least_float32(split.reference)
        self._change = at_least_float32(split.states) - self._start
        device, dtype = self._start.device, self._start.dtype
        self._nodes = torch.as_tensor(rule.nodes, device=device).to(dtype)
        self.weigh(rule.weights)
        self._limit = memory_limit
        self._kept = graphs or Kept()
        self._graphs: list[_Graph] | None = None
        positions, width = self._change.shape
        self._most_nodes = len(rule)
        if device.type == "cpu":
            self._most_nodes = max(1, _BLOCK_WORK // (12 * positions * width * width))
        size = block_numbers(positions, width) * self._change.element_size()
        # Nodes recorded together; unknown where many blocks of them would be large.
        small = _MANY_BLOCKS * size * len(rule) <= memory_limit
        self._graph_chunk = min(len(rule), self._most_nodes) if small else None

    def weigh(self, weights: np.ndarray) -> None:
        """Give the nodes other weights."""
        self._weights = torch.as_tensor(weights, device=self._nodes.device).to(self._nodes.dtype)

    def is_at(self, nodes: np.ndarray) -> bool:
        """Tell whether these are its nodes."""
        return len(nodes) == len(self._nodes) and bool(
            torch.equal(self._nodes, torch.as_tensor(nodes).to(self._nodes))
        )

    def joint(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._change)
        tangents = shares[:, :, None] * self._change

        def push(graph: _Graph, nodes: slice) -> Tensor:
            each = graph.push(tangents, self._limit)  # (m, nodes, K)
            return self._weights[nodes] @ each

        return torch.stack(self._at_all_nodes(push)).sum(0)

    def derivatives(self) -> Tensor:
        """Return the derivative along the whole change at each node, ``(N, K)``."""
        whole = self._change[None]
        return torch.cat(self._at_all_nodes(lambda graph, _: graph.push(whole, self._limit)[0]))

    def along(self, directions: Tensor) -> Tensor:
        def pull(graph: _Graph, nodes: slice) -> Tensor:
            parts = graph.pull(directions, self._weights[nodes], self._limit)
            return (parts * self._change).sum(-1)

        return torch.stack(self._at_all_nodes(pull)).sum(0)

    def release(self) -> None:
        """Drop the recorded graph; the next call records it again."""
        self._graphs = None

    def _at_all_nodes(self, work: "Callable[[_Graph, slice], Tensor]") -> list[Tensor]:
        """Return what ``work`` makes of the graphs of all nodes, in smaller parts if need be."""
        while True:
            try:
                return self._work(work)
            except (RuntimeError, MemoryError) as error:
                self._graphs = None
                self._graph_chunk = halved(self._graph_chunk or len(self._nodes), error)
                self._limit = 0  # graphs are no longer kept

    def _work(self, work: "Callable[[_Graph, slice], Tensor]") -> list[Tensor]:
        # Half of the memory is for what is kept, half for what is worked on.
        room = self._limit // 2
        kept: list[_Graph] = []
        results: list[Tensor] = []
        done = 0
        for graph in self._graphs or self._record_all():
            checkpoint()
            results.append(work(graph, slice(done, done + graph.nodes)))
            done += graph.nodes
            # Of all nodes or of none; with what pushing needs where there is room for that.
            if graph.size_of(len(self._nodes)) > room:
                graph.forget_linearised()
            if graph.size_of(len(self._nodes)) <= room:
                kept.append(graph)
        self._graphs = kept if sum(graph.nodes for graph in kept) == done else None
        if self._graphs is not None:
            self._kept.add(self, sum(graph.size for graph in kept), room)
        return results

    def _record_all(self) -> "Iterator[_Graph]":
        """Record the graph of all nodes; the first alone where it may be large."""
        done = 0
        while done < len(self._nodes):
            checkpoint()
            count = self._graph_chunk or 1
            graph = _Graph.record(self._split, self._states(self._nodes[done:][:count]))
            if self._graph_chunk is None:
                fits = self._limit // (2 * _WITH_PRODUCTS * max(1, graph.size))
                self._graph_chunk = max(1, min(fits, self._most_nodes))
            yield graph
            done += count

    def _states(self, nodes: Tensor) -> Tensor:
        """Return the states at these nodes, ``(nodes, features, width)``."""
        states = self._start + nodes[:, None, None] * self._change
        return states.to(self._split.states.dtype)


class _Graph:
    """The recorded forward pass of a few nodes; ``size`` is in bytes, of all of them."""

    def __init__(self, split: Split, states: Tensor, embeddings: Tensor, size: int):
        self.states, self.embeddings, self.size = states, embeddings, size
        self.nodes = len(states)
        self._split = split
        self._linearised: Linearised | None = None
        self._size_of_linearised = 0

    @staticmethod
    def record(split: Split, states: Tensor) -> "_Graph":
        memory = _Memory(split.weights)
        with split.held(), torch.enable_grad():
            states = states.detach().requires_grad_()
            with memory.counting():
                embeddings = split.embed(states)
        return _Graph(split, states, embeddings, memory.size)

    def size_of(self, nodes: int) -> int:
        """Return about how many bytes the graph of so many nodes would take."""
        return self.size * nodes // self.nodes

    def push(self, tangents: Tensor, limit: int) -> Tensor:
        """Push tangents of the states forward, ``(m, features, width)`` to ``(m, nodes, K)``."""
        if self._linearised is None:
            memory = _Memory(self._split.weights)
            with self._split.held(), memory.counting():
                self._linearised = Linearised(self.embeddings, self.states)
            self._size_of_linearised = memory.size
            self.size += memory.size
        linearised = self._linearised
        # Of length one and scaled afterwards, for half precision's short range.
        lengths, units = _units(tangents, 2)
        each = units.to(self.states.dtype)[:, None].expand(-1, self.nodes, -1, -1)
        together = self._together(limit)
        parts = [
            linearised.push_together(some) if len(some) > 1 else linearised.push(some[0])[None]
            for some in each.split(together)
        ]
        return lengths[:, None, None] * at_least_float32(torch.cat(parts))

    def pull(self, directions: Tensor, weights: Tensor, limit: int) -> Tensor:
        """Pull directions back and sum over nodes, ``(m, K)`` to ``(m, features, width)``."""
        # Of length one and scaled afterwards, for half precision's short range.
        lengths, units = _units(directions, 1)
        cotangents = units.to(self.embeddings.dtype)[:, None].expand(-1, self.nodes, -1)
        parts = []
        for some in cotangents.split(self._together(limit)):
            checkpoint()
            (gradients,) = torch.autograd.grad(
                self.embeddings,
                self.states,
                some if len(some) > 1 else some[0],
                retain_graph=True,
                is_grads_batched=len(some) > 1,
            )
            gradients = at_least_float32(gradients.view(len(some), *self.states.shape))
            parts.append((weights[:, None, None] * gradients).sum(1))
        return torch.cat(parts) * lengths[:, None, None].to(weights)

    def forget_linearised(self) -> None:
        """Drop what only pushing needs."""
        self.size -= self._size_of_linearised
        self._size_of_linearised = 0
        self._linearised = None

    def _together(self, limit: int) -> int:
        fits = limit // (2 * self.size + 1)
        return min(_TOGETHER.get(self.states.device.type, 1), max(1, fits))


def _units(vectors: Tensor, dimensions: int) -> tuple[Tensor, Tensor]:
    """Return the length of each vector, over its last dimensions, and vectors of length one."""
    lengths = vectors.flatten(-dimensions).norm(dim=-1)
    lengths = lengths.clamp(min=torch.finfo(vectors.dtype).tiny)
    return lengths, vectors / lengths[(..., *(None,) * dimensions)]


class _Memory:
    """Counts the bytes that a graph keeps, without the model's own weights."""

    def __init__(self, weights: frozenset[int]):
        self._weights = weights
        self._held: dict[int, int] = {}

    @property
    def size(self) -> int:
        return sum(self._held.values())

    def counting(self) -> torch.autograd.graph.saved_tensors_hooks:
        return torch.autograd.graph.saved_tensors_hooks(self._count, _unchanged)

    def _count(self, saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in self._weights:
            self._held[storage.data_ptr()] = storage.nbytes()
        return saved.detach()  # a graph that holds its own output is never freed


def _unchanged(saved: Tensor) -> Tensor:
    return saved
