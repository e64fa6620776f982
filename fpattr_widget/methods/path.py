"""The integrated Jacobian of any tower, by automatic differentiation along the path."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.func import jvp, vmap

from ..encoders import Split
from ..errors import InputError
from .integral import at_least_float32

# Directions that are pulled back together: on a GPU, or where one alone is too
# small to keep a processor busy.
_TOGETHER = 64
_SMALL = 2**20


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
        self._graph_chunk: int | None = None  # nodes recorded together
        positions, width = self._change.shape
        # What one node and one tangent keep alive inside a block, twice (value
        # and derivative): some arrays of the states' size, the attention maps.
        numbers = positions * (40 * width + 12 * positions * max(1, width // 64))
        self._push_chunk = max(1, memory_limit // (numbers * self._change.element_size()))

    def of(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._change)
        tangents = (shares[:, :, None] * self._change).to(self._split.states.dtype)
        while True:
            try:
                return self._push(tangents)
            except (RuntimeError, MemoryError) as error:
                self._push_chunk = _smaller(self._push_chunk, error)

    def against(self, directions: Tensor) -> Tensor:
        while True:
            try:
                with self._split.held():
                    return self._pull(directions)
            except (RuntimeError, MemoryError) as error:
                self._graphs = None
                self._graph_chunk = _smaller(self._graph_chunk or len(self._nodes), error)
                self._limit = 0  # graphs are no longer kept

    def release(self) -> None:
        """Drop the recorded graph; the next ``against`` records it again."""
        self._graphs = None

    def _push(self, tangents: Tensor) -> Tensor:
        total: Tensor | None = None
        nodes = min(self._push_chunk, len(self._nodes))
        together = max(1, self._push_chunk // nodes)
        with self._split.held(), torch.no_grad():
            for states, weights in self._points(nodes):

                def along(
                    tangent: Tensor, states: Tensor = states, weights: Tensor = weights
                ) -> Tensor:
                    each = tangent.expand_as(states)
                    return weights @ at_least_float32(jvp(self._split.embed, (states,), (each,))[1])

                if together == 1 or len(tangents) == 1:
                    part = torch.stack([along(tangent) for tangent in tangents])
                else:
                    part = vmap(along, chunk_size=together)(tangents)
                total = part if total is None else total + part
        assert total is not None
        return total

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

    def _points(self, together: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (states on the path, weights), a few nodes at a time."""
        for nodes, weights in zip(
            self._nodes.split(together), self._weights.split(together), strict=True
        ):
            yield self._states(nodes), weights

    def _states(self, nodes: Tensor) -> Tensor:
        """Return the states at these nodes, ``(nodes, features, width)``."""
        states = self._start + nodes[:, None, None] * self._change
        return states.to(self._split.states.dtype)

    def _record_all(self) -> Iterator["_Graph"]:
        """Record the graph of all nodes; the first alone, to see how large it is."""
        done = 0
        while done < len(self._nodes):
            count = 1 if done == 0 else (self._graph_chunk or 1)
            nodes, weights = self._nodes[done:][:count], self._weights[done:][:count]
            graph = _Graph.record(self._split, self._states(nodes), weights)
            if self._graph_chunk is None:
                self._graph_chunk = max(1, self._limit // (4 * max(1, graph.size)))
            yield graph
            done += count

    def _backward(self, graph: "_Graph", directions: Tensor) -> Tensor:
        """Pull directions back through one graph; return their parts, (m, features)."""
        cotangents = graph.weights[:, None] * directions[:, None].to(graph.weights)
        cotangents = cotangents.to(graph.embeddings.dtype)
        small = graph.states.numel() * self._split.blocks < _SMALL
        fits = self._limit // (2 * graph.size * len(graph.weights) + 1)
        together = min(_TOGETHER, fits) if small or graph.states.is_cuda else 1
        parts = []
        for some in cotangents.split(max(1, together)):
            (gradients,) = torch.autograd.grad(
                graph.embeddings,
                graph.states,
                some if len(some) > 1 else some[0],
                retain_graph=True,
                is_grads_batched=len(some) > 1,
            )
            gradients = at_least_float32(gradients.view(len(some), *graph.states.shape))
            parts.append((gradients.sum(1) * self._change).sum(-1))
        return torch.cat(parts)


class _Graph:
    """The recorded forward pass of a few nodes; ``size`` is in bytes a node."""

    def __init__(self, states: Tensor, embeddings: Tensor, weights: Tensor, size: int):
        self.states, self.embeddings, self.weights, self.size = states, embeddings, weights, size

    @staticmethod
    def record(split: Split, states: Tensor, weights: Tensor) -> "_Graph":
        held: dict[int, int] = {}

        def count(saved: Tensor) -> Tensor:
            storage = saved.untyped_storage()
            if storage.data_ptr() not in split.weights:
                held[storage.data_ptr()] = storage.nbytes()
            return saved

        with split.held(), torch.enable_grad():
            states = states.detach().requires_grad_()
            with torch.autograd.graph.saved_tensors_hooks(count, _unchanged):
                embeddings = split.embed(states)
        return _Graph(states, embeddings, weights, sum(held.values()) // len(states))


def _unchanged(saved: Tensor) -> Tensor:
    return saved


def _smaller(chunk: int, error: Exception) -> int:
    """Return half of ``chunk`` if ``error`` is a lack of memory; else raise it again."""
    words = str(error).lower()
    starved = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if not starved and "out of memory" not in words and "can't allocate memory" not in words:
        raise error
    if chunk == 1:
        raise InputError(
            "there is not enough memory for one step of this attribution: choose a later `layer` "
            "(−1 is the cheapest) or a smaller `model`."
        ) from error
    return chunk // 2
