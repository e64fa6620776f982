"""The integrated Jacobian of any tower, by automatic differentiation along the path."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ..encoders import MemoryBudget, Split
from ..progress import checkpoint
from ._integral import at_least_float32
from ._linearised import Linearised
from ._memory import block_numbers, halved
from ._quadrature import Quadrature

# Directions or tangents that share a pass, which is faster on a GPU. On a
# CPU one alone keeps all cores busy, even on small models.
_BATCH_SIZES = {"cuda": 64}
_MANY_BLOCKS = 16
# The memory of a graph with that of pushing tangents through it, in sizes of the graph.
_WITH_PRODUCTS = 3
# Multiplications between two checkpoints on a CPU: about a fifth of a second.
_BLOCK_WORK = 10**10


class PathIntegral:
    """A weighted sum over nodes of products with the Jacobian; see ``Integral``.

    All products use one computation graph of the tower's pass at each node, which
    is recorded once if it fits into the memory limit: ``along`` by
    reverse mode, ``joint`` by reverse mode twice (see :mod:`._linearised`).

    Parameters
    ----------
    split
        The tower cut at a layer.
    rule
        Nodes and weights.
    memory_limit
        Bytes for graphs, and for the directions and tangents that share a pass.
    memory_budget
        Shared by all integrals that keep graphs.
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
        self._change = at_least_float32(split.states) - self._start
        device, dtype = self._start.device, self._start.dtype
        self._nodes = torch.as_tensor(rule.nodes, device=device).to(dtype)
        self.set_weights(rule.weights)
        self._limit = memory_limit
        self._memory_budget = memory_budget or MemoryBudget()
        self._graphs: list[_Graph] | None = None
        positions, width = self._change.shape
        self._most_nodes = len(rule)
        if device.type == "cpu":
            self._most_nodes = max(1, _BLOCK_WORK // (12 * positions * width * width))
        size = block_numbers(positions, width) * self._change.element_size()
        # Nodes that are recorded together; to be measured where their graphs may be large.
        small = _MANY_BLOCKS * size * len(rule) <= memory_limit
        self._graph_chunk = min(len(rule), self._most_nodes) if small else None

    def set_weights(self, weights: np.ndarray) -> None:
        """Set the nodes' weights, ``(N,)``."""
        self._weights = torch.as_tensor(weights, device=self._nodes.device).to(self._nodes.dtype)

    def has_nodes(self, nodes: np.ndarray) -> bool:
        """Return whether these are the integral's nodes."""
        return len(nodes) == len(self._nodes) and bool(
            torch.equal(self._nodes, torch.as_tensor(nodes).to(self._nodes))
        )

    def joint(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._change)
        tangents = shares[:, :, None] * self._change

        def push(graph: _Graph, nodes: slice) -> Tensor:
            pushed = graph.push(tangents, self._limit)  # (m, nodes, K)
            return self._weights[nodes] @ pushed

        return torch.stack(self._at_all_nodes(push)).sum(0)

    def derivatives(self) -> Tensor:
        """Return the derivative along the whole change at each node, ``(N, K)``."""
        whole = self._change[None]
        return torch.cat(self._at_all_nodes(lambda graph, _: graph.push(whole, self._limit)[0]))

    def values(self) -> Tensor:
        """Return the embedding at each node, ``(N, K)``."""
        return torch.cat(
            self._at_all_nodes(lambda graph, _: at_least_float32(graph.embeddings.detach()))
        )

    def tangents(self, weights: np.ndarray) -> Tensor:
        """Return what weighted sums of features change at each node.

        Parameters
        ----------
        weights
            ``(m, features)``.

        Returns
        -------
        torch.Tensor
            ``J(x(α)) Σ_i w_i [e_i ⊗ (x_i − r_i)]``, ``(m, N, K)``; not weighted by the rule.
        """
        shares = torch.as_tensor(weights).to(self._change)
        tangents = shares[:, :, None] * self._change
        return torch.cat(self._at_all_nodes(lambda graph, _: graph.push(tangents, self._limit)), 1)

    def along_at_nodes(self, directions: Tensor) -> Tensor:
        """Return each feature's integral along directions of each node's own.

        Parameters
        ----------
        directions
            ``(m, N, K)``.

        Returns
        -------
        torch.Tensor
            ``Σ_α w_α ⟨direction(α), J(x(α)) [e_i ⊗ (x_i − r_i)]⟩``, ``(m, features)``.
        """

        def pull(graph: _Graph, nodes: slice) -> Tensor:
            parts = graph.pull_at_nodes(directions[:, nodes], self._weights[nodes], self._limit)
            return (parts * self._change).sum(-1)

        return torch.stack(self._at_all_nodes(pull)).sum(0)

    @property
    def weights(self) -> Tensor:
        """The nodes' weights, ``(N,)``."""
        return self._weights

    def along(self, directions: Tensor) -> Tensor:
        def pull(graph: _Graph, nodes: slice) -> Tensor:
            parts = graph.pull(directions, self._weights[nodes], self._limit)
            return (parts * self._change).sum(-1)

        return torch.stack(self._at_all_nodes(pull)).sum(0)

    def release(self) -> None:
        """Release the recorded graphs; the next call records them again."""
        self._graphs = None

    def _at_all_nodes(self, work: "Callable[[_Graph, slice], Tensor]") -> list[Tensor]:
        """Return ``work`` of the graphs of all nodes; record fewer at once if memory runs out."""
        while True:
            try:
                return self._through_graphs(work)
            except (RuntimeError, MemoryError) as error:
                self._graphs = None
                self._graph_chunk = halved(self._graph_chunk or len(self._nodes), error)
                self._limit = 0  # graphs are no longer kept

    def _through_graphs(self, work: "Callable[[_Graph, slice], Tensor]") -> list[Tensor]:
        # Half of the memory is for graphs that are kept, half for passes through them.
        room = self._limit // 2
        kept: list[_Graph] = []
        results: list[Tensor] = []
        done = 0
        for graph in self._graphs or self._record_all():
            checkpoint()
            results.append(work(graph, slice(done, done + graph.nodes)))
            done += graph.nodes
            # Keep the graphs of all nodes or none, with what pushing needs if that fits, too.
            if graph.size_of(len(self._nodes)) > room:
                graph.release_linearised()
            if graph.size_of(len(self._nodes)) <= room:
                kept.append(graph)
        self._graphs = kept if sum(graph.nodes for graph in kept) == done else None
        if self._graphs is not None:
            self._memory_budget.add(self, sum(graph.size for graph in kept), room)
        return results

    def _record_all(self) -> "Iterator[_Graph]":
        """Record the graphs of all nodes; first that of one node alone if it may be large."""
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
    """The recorded forward pass of a few nodes; ``size`` is in bytes, for all of them."""

    def __init__(self, split: Split, states: Tensor, embeddings: Tensor, size: int):
        self.states, self.embeddings, self.size = states, embeddings, size
        self.nodes = len(states)
        self._split = split
        self._linearised: Linearised | None = None
        self._size_of_linearised = 0

    @staticmethod
    def record(split: Split, states: Tensor) -> "_Graph":
        memory = _Memory(split.weights)
        with split.differentiable(), torch.enable_grad():
            states = states.detach().requires_grad_()
            with memory.counting():
                embeddings = split.embed(states)
        return _Graph(split, states, embeddings, memory.size)

    def size_of(self, nodes: int) -> int:
        """Return about how many bytes the graph of that many nodes would take."""
        return self.size * nodes // self.nodes

    def push(self, tangents: Tensor, limit: int) -> Tensor:
        """Push tangents of the states forward, ``(m, features, width)`` to ``(m, nodes, K)``."""
        if self._linearised is None:
            memory = _Memory(self._split.weights)
            with self._split.differentiable(), memory.counting():
                self._linearised = Linearised(self.embeddings, self.states)
            self._size_of_linearised = memory.size
            self.size += memory.size
        linearised = self._linearised
        # Unit vectors, scaled afterwards, because half precision has a short range.
        lengths, units = _units(tangents, 2)
        at_nodes = units.to(self.states.dtype)[:, None].expand(-1, self.nodes, -1, -1)
        parts = [
            linearised.push_together(batch) if len(batch) > 1 else linearised.push(batch[0])[None]
            for batch in at_nodes.split(self._batch_size(limit))
        ]
        return lengths[:, None, None] * at_least_float32(torch.cat(parts))

    def pull(self, directions: Tensor, weights: Tensor, limit: int) -> Tensor:
        """Pull directions back and sum over nodes, ``(m, K)`` to ``(m, features, width)``."""
        # Unit vectors, scaled afterwards, because half precision has a short range.
        lengths, units = _units(directions, 1)
        cotangents = units[:, None].expand(-1, self.nodes, -1)
        parts = [
            (weights[:, None, None] * gradients).sum(1)
            for gradients in self._gradients(cotangents, limit)
        ]
        return torch.cat(parts) * lengths[:, None, None].to(weights)

    def pull_at_nodes(self, directions: Tensor, weights: Tensor, limit: int) -> Tensor:
        """Pull each node's directions back and sum over nodes, as ``pull``; ``(m, nodes, K)``."""
        lengths, units = _units(directions, 1)  # (m, nodes)
        factors = (weights * lengths).to(weights).split(self._batch_size(limit))
        parts = [
            (factor[:, :, None, None] * gradients).sum(1)
            for factor, gradients in zip(factors, self._gradients(units, limit), strict=True)
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


def _units(vectors: Tensor, dimensions: int) -> tuple[Tensor, Tensor]:
    """Return the norms of vectors over their last dimensions, and the vectors at unit length."""
    lengths = vectors.flatten(-dimensions).norm(dim=-1)
    lengths = lengths.clamp(min=torch.finfo(vectors.dtype).tiny)
    return lengths, vectors / lengths[(..., *(None,) * dimensions)]


class _Memory:
    """Counts the bytes that a graph holds beside the model's weights."""

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
