"""Sums over the nodes of a path, of which as many are computed and kept as memory allows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from ..encoders import MemoryBudget
from ..progress import checkpoint
from ._integral import units
from ._memory import CHEAPER_LAYER, halved
from ._quadrature import Quadrature

# The memory of a graph with that of pushing tangents through it, in sizes of the graph.
_WITH_PRODUCTS = 3
# Multiplications between two checkpoints on a CPU: about a fifth of a second.
_BLOCK_WORK = 10**10


class RecordedNodes(Protocol):
    """A tower at a few nodes of its path, ready to be differentiated.

    Attributes
    ----------
    nodes
        Their number.
    size
        Bytes that they hold.
    """

    nodes: int
    size: int

    def values(self) -> Tensor:
        """Return the embedding at each node, ``(nodes, K)``, in float32 or better."""
        ...

    def push(self, shares: Tensor, limit: int) -> Tensor:
        """Return what shares of features' changes give, ``(m, features)`` to ``(m, nodes, K)``.

        ``limit`` is in bytes, for those that share a pass.
        """
        ...

    def pull(self, directions: Tensor, weights: Tensor, limit: int) -> Tensor:
        """Return the products of directions with each feature's change, summed over nodes.

        Parameters
        ----------
        directions
            Those of each node, of unit length, ``(m, nodes, K)``.
        weights
            What each is multiplied by, ``(m, nodes)``.
        limit
            Bytes for those that share a pass.

        Returns
        -------
        torch.Tensor
            ``(m, features)``.
        """
        ...

    def release_linearised(self) -> None:
        """Release what only pushing needs."""
        ...


class NodeIntegral(ABC):
    """A weighted sum over nodes of products with the Jacobian; see ``Integral``.

    All products use one computation graph of the tower's pass at each node, which
    is recorded once if it fits into the memory limit: ``along`` by
    reverse mode, ``joint`` by reverse mode twice (see :mod:`._linearised`).

    Parameters
    ----------
    rule
        Nodes and weights.
    change
        What the features change between reference and input, ``(features, width)``.
    rows
        Number of positions that a pass computes.
    numbers
        About how many numbers the graph of a node holds.
    memory_limit
        Bytes for graphs, and for the directions and tangents that share a pass.
    memory_budget
        Shared by all integrals that keep graphs.
    """

    remedy: ClassVar[str] = CHEAPER_LAYER

    def __init__(
        self,
        rule: Quadrature,
        change: Tensor,
        rows: int,
        numbers: int,
        memory_limit: int,
        memory_budget: MemoryBudget | None,
    ):
        self._change = change
        self._nodes = torch.as_tensor(rule.nodes, device=change.device).to(change.dtype)
        self.set_weights(rule.weights)
        self._limit = memory_limit
        self._memory_budget = memory_budget or MemoryBudget()
        self._graphs: list[RecordedNodes] | None = None
        self._most_nodes = len(rule)
        if change.device.type == "cpu":
            self._most_nodes = max(1, _BLOCK_WORK // (12 * rows * change.shape[1] ** 2))
        # Nodes that are recorded together; to be measured where their graphs may be large.
        small = numbers * change.element_size() * len(rule) <= memory_limit
        self._graph_chunk = min(len(rule), self._most_nodes) if small else None

    @abstractmethod
    def _record(self, nodes: Tensor) -> RecordedNodes:
        """Compute the tower at some nodes, ``(n,)``."""

    def set_weights(self, weights: np.ndarray) -> None:
        """Set the nodes' weights, ``(N,)``."""
        self._weights = torch.as_tensor(weights, device=self._nodes.device).to(self._nodes.dtype)

    @property
    def weights(self) -> Tensor:
        return self._weights

    def values(self) -> Tensor:
        return torch.cat(self._at_all_nodes(lambda graph, _: graph.values()))

    def derivatives(self) -> Tensor:
        return self.tangents(np.ones((1, len(self._change))))[0]

    def tangents(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._change)
        return torch.cat(self._at_all_nodes(lambda graph, _: graph.push(shares, self._limit)), 1)

    def joint(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._change)

        def push(graph: RecordedNodes, nodes: slice) -> Tensor:
            return self._weights[nodes] @ graph.push(shares, self._limit)

        return torch.stack(self._at_all_nodes(push)).sum(0)

    def along(self, directions: Tensor) -> Tensor:
        return self.along_at_nodes(directions[:, None].expand(-1, len(self._nodes), -1))

    def along_at_nodes(self, directions: Tensor) -> Tensor:
        # Unit vectors, scaled afterwards, because half precision has a short range.
        lengths, directions = units(directions.to(self._change), 1)
        weights = self._weights * lengths
        # Features without a change, such as the first token of a causal tower, need no pass.
        some = directions.flatten(1).any(1)
        directions, weights = directions[some], weights[some]
        products = self._change.new_zeros(len(some), len(self._change))

        def pull(graph: RecordedNodes, nodes: slice) -> Tensor:
            return graph.pull(directions[:, nodes], weights[:, nodes], self._limit)

        if len(directions):
            products[some] = torch.stack(self._at_all_nodes(pull)).sum(0)
        return products

    def release(self) -> None:
        """Release the recorded graphs; the next call records them again."""
        self._graphs = None

    def _at_all_nodes(self, work: Callable[[RecordedNodes, slice], Tensor]) -> list[Tensor]:
        """Return ``work`` of the graphs of all nodes; record fewer at once if memory runs out."""
        while True:
            try:
                return self._through_graphs(work)
            except (RuntimeError, MemoryError) as error:
                self._graphs = None
                self._graph_chunk = halved(
                    self._graph_chunk or len(self._nodes), error, self.remedy
                )
                self._limit = 0  # graphs are no longer kept

    def _through_graphs(self, work: Callable[[RecordedNodes, slice], Tensor]) -> list[Tensor]:
        # Half of the memory is for graphs that are kept, half for passes through them.
        room = self._limit // 2
        kept: list[RecordedNodes] = []
        results: list[Tensor] = []
        done = 0
        for graph in self._graphs or self._record_all():
            checkpoint()
            results.append(work(graph, slice(done, done + graph.nodes)))
            done += graph.nodes
            # Keep the graphs of all nodes or none, with what pushing needs if that fits, too.
            if self._size_of_all(graph) > room:
                graph.release_linearised()
            if self._size_of_all(graph) <= room:
                kept.append(graph)
        self._graphs = kept if sum(graph.nodes for graph in kept) == done else None
        if self._graphs is not None:
            self._memory_budget.add(self, sum(graph.size for graph in kept), room)
        return results

    def _size_of_all(self, graph: RecordedNodes) -> int:
        """Return about how many bytes the graphs of all nodes take, given that of some."""
        return graph.size * len(self._nodes) // graph.nodes

    def _record_all(self) -> Iterator[RecordedNodes]:
        """Record the graphs of all nodes; first that of one node alone if it may be large."""
        done = 0
        while done < len(self._nodes):
            checkpoint()
            count = self._graph_chunk or 1
            graph = self._record(self._nodes[done:][:count])
            if self._graph_chunk is None:
                fits = self._limit // (2 * _WITH_PRODUCTS * max(1, graph.size))
                self._graph_chunk = max(1, min(fits, self._most_nodes))
            yield graph
            done += count
