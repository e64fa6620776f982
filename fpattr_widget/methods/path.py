"""The integrated Jacobian of a tower, applied without ever being built."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import jvp, vmap

from ..encoders import Split

# Working memory for one chunk of tangents, and for graphs that are kept
# between rows.
_CHUNK_BYTES = 256 * 2**20
_GRAPH_BYTES = 2**30


class PathJacobian:
    """``M = ∫₀¹ J(r + α(x − r)) dα``, by a weighted sum over nodes.

    ``push`` multiplies it from the right (forward mode), ``pull`` from the left
    (reverse mode, on a graph that is recorded once when it is small enough).

    Parameters
    ----------
    split
        The tower, cut.
    nodes, weights
        Of the quadrature, ``(N,)``.
    """

    def __init__(self, split: Split, nodes: np.ndarray, weights: np.ndarray):
        self._embed = split.embed
        self._held = split.held
        self._device = split.states.device
        self._dtype = split.states.dtype
        self._nodes = torch.as_tensor(nodes, device=self._device).to(self._dtype)
        self._weights = torch.as_tensor(weights, device=self._device).to(self._dtype)
        self._start = split.reference
        self._change = split.states - split.reference
        positions, width = self._change.shape
        # Roughly what one node's forward pass keeps for its backward pass:
        # a score of arrays of the states' size a block, and the attention maps.
        numbers = split.blocks * positions * (20 * width + 4 * positions * max(1, width // 64))
        node_bytes = numbers * self._change.element_size()
        self._chunk = max(1, int(_CHUNK_BYTES // node_bytes))
        self._keep_graph = len(nodes) * node_bytes <= _GRAPH_BYTES
        self._graphs: list[tuple[Tensor, Tensor, Tensor]] | None = None

    def push(self, tangents: Tensor) -> Tensor:
        """Return ``M · tangent`` for each, ``(m, positions, width)`` to ``(m, K)``."""
        total: Tensor | None = None
        with self._held(), torch.no_grad():
            for states, weights in self._chunks():

                def along(
                    tangent: Tensor, states: Tensor = states, weights: Tensor = weights
                ) -> Tensor:
                    change = jvp(self._embed, (states,), (tangent.expand_as(states),))[1]
                    return weights @ change

                if len(tangents) == 1:
                    part = along(tangents[0])[None]
                else:
                    batch = max(1, self._chunk // len(states))
                    part = vmap(along, chunk_size=batch)(tangents)
                total = part if total is None else total + part
        assert total is not None
        return total

    def pull(self, directions: Tensor) -> Tensor:
        """Return ``direction · M`` for each, ``(m, K)`` to ``(m, positions, width)``."""
        if self._graphs is not None:
            parts = [self._backward(graph, directions) for graph in self._graphs]
            return torch.stack(parts).sum(0)
        kept = []
        total = torch.zeros_like(self._change).repeat(len(directions), 1, 1)
        for states, weights in self._chunks():
            graph = self._record(states, weights)
            total += self._backward(graph, directions)
            if self._keep_graph:
                kept.append(graph)
        if self._keep_graph:
            self._graphs = kept
        return total

    def release(self) -> None:
        """Drop the recorded graph; the next ``pull`` records it again."""
        self._graphs = None

    def _chunks(self) -> list[tuple[Tensor, Tensor]]:
        """Return (states on the path, weights), a few nodes at a time."""
        parts = zip(self._nodes.split(self._chunk), self._weights.split(self._chunk), strict=True)
        return [
            (self._start + nodes[:, None, None] * self._change, weights) for nodes, weights in parts
        ]

    def _record(self, states: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with self._held(), torch.enable_grad():
            states = states.requires_grad_()
            return states, self._embed(states), weights

    def _backward(self, graph: tuple[Tensor, Tensor, Tensor], directions: Tensor) -> Tensor:
        states, embeddings, weights = graph
        gradients = []
        for direction in directions:
            cotangent = weights[:, None] * direction[None].to(embeddings.dtype)
            (gradient,) = torch.autograd.grad(embeddings, states, cotangent, retain_graph=True)
            gradients.append(gradient.sum(0))
        return torch.stack(gradients)


def embed_one(split: Split, states: Tensor) -> Tensor:
    """Return the embedding of one set of states, ``(positions, width)`` to ``(K,)``."""
    with torch.no_grad():
        return split.embed(states[None])[0]


def relative_distance(a: Tensor, b: Tensor) -> float:
    """Return ``‖a − b‖ / ‖b‖``, zero when both are zero."""
    scale = float(b.norm())
    gap = float(nn.functional.pairwise_distance(a, b, eps=0.0))
    return gap / scale if scale else gap


def as_numpy(values: Tensor) -> np.ndarray:
    """Return an array of float32, or of float64 where that is what the model computes in."""
    return values.to(torch.promote_types(values.dtype, torch.float32)).cpu().numpy()
