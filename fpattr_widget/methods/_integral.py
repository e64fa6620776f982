"""The interface of integrated Jacobians, however they are computed."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Integral(Protocol):
    """``M_i = ∫₀¹ J(r + α(x − r)) [e_i ⊗ (x_i − r_i)] dα`` of each feature.

    The ``M_i`` are never computed one by one: only products with them are.
    """

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


def relative_distance(a: Tensor, b: Tensor) -> float:
    """Return ``‖a − b‖ / ‖b‖``, zero when both are zero."""
    scale = float(b.norm())
    distance = float(nn.functional.pairwise_distance(a, b, eps=0.0))
    return distance / scale if scale else distance
