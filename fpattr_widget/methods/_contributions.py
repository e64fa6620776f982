"""What every method gives for one tower: a vector in the shared space for each feature."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, Part

#: What costs less than most layers.
LATER = "a later layer (−1 is the last)"


class Contributions(Protocol):
    """One tower's contributions ``c_i``, computed when asked for, by any thread."""

    @property
    def embedding(self) -> Tensor:
        """``g(x)``, shape ``(K,)``."""
        ...

    @property
    def reference(self) -> Tensor:
        """``g(r)``, shape ``(K,)``."""
        ...

    @property
    def total(self) -> Tensor:
        """``Σ c_i``, shape ``(K,)``."""
        ...

    @property
    def features(self) -> int:
        """Number of features ``n``."""
        ...

    @property
    def sampled(self) -> bool:
        """Whether they are estimates from random samples, with a standard error."""
        ...

    def joint(self, weights: np.ndarray) -> Tensor:
        """Return joint contributions ``weights @ c``, ``(m, n)`` to ``(m, K)``."""
        ...

    def along(self, directions: Tensor) -> np.ndarray:
        """Return each feature's part along ``directions``, ``(m, K)`` to ``(m, n)`` floats."""
        ...

    def standard_error(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
        """Return the standard error of joint contributions along directions.

        Parameters
        ----------
        weights
            Of the features in each joint contribution, ``(m, n)``.
        directions
            ``(d, K)``.

        Returns
        -------
        numpy.ndarray
            ``(d, m)``; zeros where nothing was left to chance.
        """
        ...

    def describe(self) -> str:
        """Say in a few words how they were measured, for example ``"24 nodes"``."""
        ...

    def release(self) -> None:
        """Release memory that only makes further calls faster."""
        ...


class Method(Protocol):
    """A way to give each feature its contribution.

    A method is a frozen dataclass of settings; it measures the inputs of any
    encoder.
    """

    @property
    def label(self) -> str:
        """What a reader calls it."""
        ...

    @property
    def reads_at(self) -> str | None:
        """Where the features are read, in words; ``None`` where the user chooses the layer."""
        ...

    def cheaper(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        """Say in a few words which settings cost less; ``""`` where none do.

        Parameters
        ----------
        encoder
            What is explained.
        layers
            ``(text, image)``, where features are read; ``None`` where the
            method reads no layers.
        """
        ...

    def check(self, encoder: DualEncoder) -> None:
        """Raise ``InputError`` if an encoder cannot be measured with these settings."""
        ...

    def measure(self, part: Part) -> Contributions:
        """Measure the features of one input, as they enter a layer if the method reads layers."""
        ...


class ReadsHiddenStates:
    """Base of methods that read features at a layer of the user's choice.

    Kinds of reference are settings named after towers, such as ``text_reference``; a tower
    without such a setting has its usual reference.
    """

    reads_at = None

    def reference(self, tower: str) -> str | None:
        """Return the kind of reference of a tower's inputs; ``None`` is the encoder's own."""
        kind: str | None = getattr(self, f"{tower}_reference", None)
        return kind

    def cheaper(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        last = encoder.resolve_layers(-1)
        return "" if layers in (None, last) else LATER

    def check(self, encoder: DualEncoder) -> None:
        for name, tower in encoder.towers.items():
            if (kind := self.reference(name)) is not None:
                tower.check_reference(kind)


class Unsampled:
    """Base of contributions of which nothing is left to chance."""

    sampled = False

    def standard_error(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
        return np.zeros((len(directions), len(weights)))


class KnownContributions(Unsampled):
    """Contributions whose vectors are all there.

    Parameters
    ----------
    vectors
        ``(features, K)``.
    embedding, reference
        ``(K,)``.
    description
        See ``Contributions.describe``.
    """

    def __init__(self, vectors: Tensor, embedding: Tensor, reference: Tensor, description: str):
        self.embedding, self.reference = embedding, reference
        self.total = vectors.sum(0)
        self.features = len(vectors)
        self._vectors = vectors
        self._description = description

    def joint(self, weights: np.ndarray) -> Tensor:
        return torch.as_tensor(weights).to(self._vectors) @ self._vectors

    def along(self, directions: Tensor) -> np.ndarray:
        return (directions.to(self._vectors) @ self._vectors.T).cpu().numpy()

    def describe(self) -> str:
        return self._description

    def release(self) -> None:
        """Keep the vectors: they are small."""
