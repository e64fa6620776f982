"""What every method gives for one tower: a vector in the shared space for each feature."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from ..encoders import DualEncoder, PreparedImage, PreparedText


class Contributions(Protocol):
    """One tower's contributions ``c_i``, computed when asked for.

    Attributes
    ----------
    embedding
        ``g(x)``, shape ``(K,)``.
    reference
        ``g(r)``, shape ``(K,)``.
    total
        ``Σ c_i``, shape ``(K,)``.
    features
        Number of features ``n``.
    """

    embedding: Tensor
    reference: Tensor
    total: Tensor
    features: int

    def of(self, weights: np.ndarray) -> Tensor:
        """Return joint contributions ``weights @ c``, ``(m, n)`` to ``(m, K)``."""
        ...

    def against(self, directions: Tensor) -> np.ndarray:
        """Return each feature's part along ``directions``, ``(m, K)`` to ``(m, n)`` floats."""
        ...

    def describe(self) -> str:
        """Say in a few words how they were measured, for example ``"24 nodes"``."""
        ...

    def release(self) -> None:
        """Let go of memory that only makes further calls faster."""
        ...


class Method(Protocol):
    """A way to give each feature its contribution.

    A method is a frozen dataclass of settings; it measures the towers of any
    encoder. ``label`` is what a reader calls it.
    """

    @property
    def label(self) -> str: ...

    def measure_text(
        self, encoder: DualEncoder, text: PreparedText, layer: int
    ) -> Contributions: ...

    def measure_image(
        self, encoder: DualEncoder, image: PreparedImage, layer: int
    ) -> Contributions: ...


class GroupedContributions:
    """Contributions of groups of features, each the sum of its members'."""

    def __init__(self, parts: Contributions, groups: Sequence[Sequence[int]]):
        self._parts = parts
        self._members = np.zeros((len(groups), parts.features), np.float32)
        for group, indices in enumerate(groups):
            self._members[group, list(indices)] = 1
        self.embedding, self.reference, self.total = parts.embedding, parts.reference, parts.total
        self.features = len(groups)

    def of(self, weights: np.ndarray) -> Tensor:
        return self._parts.of(weights @ self._members)

    def against(self, directions: Tensor) -> np.ndarray:
        return self._parts.against(directions) @ self._members.T

    def describe(self) -> str:
        return self._parts.describe()

    def release(self) -> None:
        self._parts.release()
