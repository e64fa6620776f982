"""The interface of integrated Jacobians, however they are computed."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Integral(Protocol):
    """``M_i = ∫₀¹ J(r + α(x − r)) [e_i ⊗ (x_i − r_i)] dα`` of each feature, by N nodes.

    The ``M_i`` are never computed one by one: only products with them are.
    """

    @property
    def weights(self) -> Tensor:
        """The nodes' weights, ``(N,)``."""
        ...

    def values(self) -> Tensor:
        """Return the embedding at each node, ``(N, K)``."""
        ...

    def derivatives(self) -> Tensor:
        """Return the derivative along the whole change at each node, ``(N, K)``."""
        ...

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
        ...

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
        ...

    def joint(self, weights: np.ndarray) -> Tensor:
        """Return joint contributions ``weights @ M``, ``(m, features)`` to ``(m, K)``."""
        ...

    def along(self, directions: Tensor) -> Tensor:
        """Return each feature's ``M_i · direction``, ``(m, K)`` to ``(m, features)``."""
        ...

    def release(self) -> None:
        """Release memory that only makes further calls faster."""
        ...


def at_least_float32(values: Tensor) -> Tensor:
    """Return ``values`` in the precision in which integrals are summed."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def units(vectors: Tensor, dimensions: int) -> tuple[Tensor, Tensor]:
    """Return the norms of vectors over their last dimensions, and the vectors at unit length."""
    lengths = vectors.flatten(-dimensions).norm(dim=-1)
    lengths = lengths.clamp(min=torch.finfo(vectors.dtype).tiny)
    return lengths, vectors / lengths[(..., *(None,) * dimensions)]


def relative_distance(a: Tensor, b: Tensor) -> float:
    """Return ``‖a − b‖ / ‖b‖``, zero when both are zero."""
    scale = float(b.norm())
    distance = float(nn.functional.pairwise_distance(a, b, eps=0.0))
    return distance / scale if scale else distance
