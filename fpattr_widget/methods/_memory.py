"""Computation in portions that fit into memory."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..encoders import halved as half_of
from ..progress import checkpoint, report

#: What to do where memory does not suffice for a pass.
CHEAPER_LAYER = "choose a later `layer` (−1 is the cheapest) or a smaller `model`"


def halved(portion: int, error: Exception, remedy: str = CHEAPER_LAYER) -> int:
    """Return half of ``portion`` if ``error`` means a lack of memory; else raise it again.

    Raises
    ------
    InputError
        When even a portion of one is too large, with ``remedy``.
    """
    return half_of(portion, error, "one step of this attribution", remedy)


class Portions:
    """Processes items in portions, in smaller ones once memory has run out.

    Parameters
    ----------
    size
        The most items that are processed together.
    remedy
        The remedy when memory does not suffice for one item.
    """

    def __init__(self, size: int, remedy: str):
        self._size = max(1, size)
        self._remedy = remedy

    def run(self, work: Callable[[Tensor], Tensor], items: Tensor, what: str = "") -> Tensor:
        """Return ``work(items)``, one result for each item.

        Progress is reported if ``what`` names the items.
        """
        done: list[Tensor] = []
        first = 0
        while first < len(items):
            checkpoint()
            if what:
                report(f"{first:,} of {len(items):,} {what}")
            try:
                done.append(work(items[first : first + self._size]))
                first += len(done[-1])
            except (RuntimeError, MemoryError) as error:
                self._size = halved(self._size, error, self._remedy)
        return torch.cat(done)


class GraphMemory:
    """Counts the bytes that a computation graph holds beside the model's weights.

    Parameters
    ----------
    weights
        Addresses of the model's weights.
    """

    def __init__(self, weights: frozenset[int]):
        self._weights = weights
        self._held: dict[int, int] = {}

    @property
    def size(self) -> int:
        """What graphs hold that were recorded while this counted."""
        return sum(self._held.values())

    def counting(self) -> torch.autograd.graph.saved_tensors_hooks:
        """Return a context in which what graphs save is counted."""
        return torch.autograd.graph.saved_tensors_hooks(self._count, _unchanged)

    def _count(self, saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in self._weights:
            self._held[storage.data_ptr()] = storage.nbytes()
        return saved.detach()  # a graph that holds its own output is never freed


def _unchanged(saved: Tensor) -> Tensor:
    return saved
