"""The integrated Jacobian of any tower, by automatic differentiation along the path."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from ..encoders import Split
from .forward_mode import Push, pushed, pushed_together
from .integral import at_least_float32
from .memory import block_numbers, halved

# Directions that are pulled back together where that is faster: on a GPU. On a
# CPU one alone keeps all cores busy, even on small models.
_TOGETHER = {"cuda": 64}
_MANY_BLOCKS = 16


class PathIntegral:
    """A weighted sum over nodes of products with the Jacobian; see ``Integral``.

    ``of`` is forward mode. ``against`` is reverse mode, on a graph that is
    recorded once where it fits into the memory limit.

    Parameters
    ----------
    split
        The tower, cut.
    nodes, weights
        Of the quadrature, ``(N,)``.
    memory_limit
        Bytes for graphs and for the tangents that are pushed together.
    """

    def __init__(self, split: Split, nodes: np.ndarray, weights: np.ndarray, memory_limit: int):
        self._split = split
        self._start = at_least_float32(split.reference)
        self._change = at_least_float32(split.states) - self._start
        device, dtype = self._start.device, self._start.dtype
        self._nodes = torch.as_tensor(nodes, device=device).to(dtype)
        self._weights = torch.as_tensor(weights, device=device).to(dtype)
        self._limit = memory_limit
        self._graphs: list[_Graph] | None = None
        positions, width = self._change.shape
        size = block_numbers(positions, width) * self._change.element_size()
        self._push_chunk = max(1, memory_limit // (2 * size))  # value and derivative
        # Nodes recorded together; unknown where many blocks of them would be large.
        small = _MANY_BLOCKS * size * len(nodes) <= memory_limit
        self._graph_chunk = len(nodes) if small else None

    def of(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._change)
        tangents = shares[:, :, None] * self._change
        while True:
            try:
                return self._push(tangents)
            except (RuntimeError, MemoryError) as error:
                self._push_chunk = halved(self._push_chunk, error)

    def derivatives(self) -> Tensor:
        """Return the derivative along the whole change at each node, ``(N, K)``."""
        while True:
            try:
                with self._split.held(), torch.no_grad():
                    parts = [self._along(states, self._change) for states, _ in self._points()]
                return torch.cat(parts)
            except (RuntimeError, MemoryError) as error:
                self._push_chunk = halved(self._push_chunk, error)

    def against(self, directions: Tensor) -> Tensor:
        while True:
            try:
                with self._split.held():
                    return self._pull(directions)
            except (RuntimeError, MemoryError) as error:
                self._graphs = None
                self._graph_chunk = halved(self._graph_chunk or len(self._nodes), error)
                self._limit = 0  # graphs are no longer kept

    def release(self) -> None:
        """Drop the recorded graph; the next ``against`` records it again."""
        self._graphs = None

    def _push(self, tangents: Tensor) -> Tensor:
        together = max(1, self._push_chunk // len(self._nodes))
        parts: list[Tensor] = []
        with self._split.held(), torch.no_grad():
            for states, weights in self._points():

                def along(
                    tangent: Tensor, states: Tensor = states, weights: Tensor = weights
                ) -> Tensor:
                    return weights @ self._along(states, tangent, pushed_together)

                if together == 1 or len(tangents) == 1:
                    each = [weights @ self._along(states, tangent) for tangent in tangents]
                    parts.append(torch.stack(each))
                else:
                    parts.append(vmap(along, chunk_size=together)(tangents))
        return torch.stack(parts).sum(0)

    def _along(self, states: Tensor, tangent: Tensor, push: Push = pushed) -> Tensor:
        # Of length one and scaled afterwards, for half precision's short range.
        length = tangent.norm().clamp(min=torch.finfo(tangent.dtype).tiny)
        each = (tangent / length).to(states.dtype).expand_as(states)
        return length * at_least_float32(push(self._split.embed, (states, each)))

    def _pull(self, directions: Tensor) -> Tensor:
        if self._graphs is not None:
            parts = [self._backward(graph, directions) for graph in self._graphs]
            return torch.stack(parts).sum(0)
        total = torch.zeros(len(directions), len(self._change)).to(self._change)
        kept: list[_Graph] = []
        for graph in self._record_all():
            total += self._backward(graph, directions)
            if graph.size * len(self._nodes) <= self._limit:
                kept.append(graph)
        if sum(len(graph.weights) for graph in kept) == len(self._nodes):
            self._graphs = kept
        return total

    def _points(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (states on the path, weights), a few nodes at a time."""
        together = self._push_chunk
        for nodes, weights in zip(
            self._nodes.split(together), self._weights.split(together), strict=True
        ):
            yield self._states(nodes), weights

    def _states(self, nodes: Tensor) -> Tensor:
        """Return the states at these nodes, ``(nodes, features, width)``."""
        states = self._start + nodes[:, None, None] * self._change
        return states.to(self._split.states.dtype)

    def _record_all(self) -> Iterator["_Graph"]:
        """Record the graph of all nodes; the first alone where it may be large."""
        done = 0
        while done < len(self._nodes):
            count = self._graph_chunk or 1
            nodes, weights = self._nodes[done:][:count], self._weights[done:][:count]
            graph = _Graph.record(self._split, self._states(nodes), weights)
            if self._graph_chunk is None:
                self._graph_chunk = max(1, self._limit // (4 * max(1, graph.size)))
            yield graph
            done += count

    def _backward(self, graph: "_Graph", directions: Tensor) -> Tensor:
        """Pull directions back through one graph; return their parts, (m, features)."""
        # Of length one and weighted afterwards, for half precision's short range.
        lengths = directions.norm(dim=-1).clamp(min=torch.finfo(directions.dtype).tiny)
        units = (directions / lengths[:, None]).to(graph.embeddings.dtype)
        cotangents = units[:, None].expand(-1, len(graph.weights), -1)
        fits = self._limit // (2 * graph.size * len(graph.weights) + 1)
        together = min(_TOGETHER.get(graph.states.device.type, 1), max(1, fits))
        parts = []
        for some in cotangents.split(together):
            (gradients,) = torch.autograd.grad(
                graph.embeddings,
                graph.states,
                some if len(some) > 1 else some[0],
                retain_graph=True,
                is_grads_batched=len(some) > 1,
            )
            gradients = at_least_float32(gradients.view(len(some), *graph.states.shape))
            integrated = (graph.weights[:, None, None] * gradients).sum(1)
            parts.append((integrated * self._change).sum(-1))
        return torch.cat(parts) * lengths[:, None].to(self._change)


class _Graph:
    """The recorded forward pass of a few nodes; ``size`` is in bytes a node."""

    def __init__(self, states: Tensor, embeddings: Tensor, weights: Tensor, size: int):
        self.states, self.embeddings, self.weights, self.size = states, embeddings, weights, size

    @staticmethod
    def record(split: Split, states: Tensor, weights: Tensor) -> "_Graph":
        held: dict[int, int] = {}
        weights_of_model = split.weights()

        def count(saved: Tensor) -> Tensor:
            storage = saved.untyped_storage()
            if storage.data_ptr() not in weights_of_model:
                held[storage.data_ptr()] = storage.nbytes()
            return saved.detach()  # a graph that holds its own output is never freed

        with split.held(), torch.enable_grad():
            states = states.detach().requires_grad_()
            with torch.autograd.graph.saved_tensors_hooks(count, _unchanged):
                embeddings = split.embed(states)
        return _Graph(states, embeddings, weights, sum(held.values()) // len(states))


def _unchanged(saved: Tensor) -> Tensor:
    return saved
