"""What every method gives for one tower: a vector in the shared space for each feature."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..encoders import (
    DualEncoder,
    PreparedImage,
    PreparedText,
    check_image_reference,
    check_text_reference,
)

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

    def of(self, weights: np.ndarray) -> Tensor:
        """Return joint contributions ``weights @ c``, ``(m, n)`` to ``(m, K)``."""
        ...

    def against(self, directions: Tensor) -> np.ndarray:
        """Return each feature's part along ``directions``, ``(m, K)`` to ``(m, n)`` floats."""
        ...

    def spread(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
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
        """Let go of memory that only makes further calls faster."""
        ...


class Method(Protocol):
    """A way to give each feature its contribution.

    A method is a frozen dataclass of settings; it measures the towers of any
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

    def measure_text(self, encoder: DualEncoder, text: PreparedText, layer: int) -> Contributions:
        """Measure the tokens, as they enter block ``layer`` if the method reads layers."""
        ...

    def measure_image(
        self, encoder: DualEncoder, image: PreparedImage, layer: int
    ) -> Contributions:
        """Measure the image features, likewise."""
        ...


class ReadsLayers:
    """What methods have in common that read features where the user says."""

    text_reference: str | None
    image_reference: str
    reads_at = None

    def cheaper(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        last = encoder.resolve_layers(-1)
        return "" if layers in (None, last) else LATER

    def check(self, encoder: DualEncoder) -> None:
        check_text_reference(self.text_reference)
        check_image_reference(self.image_reference)


class Certain:
    """What contributions have in common of which nothing is left to chance."""

    sampled = False

    def spread(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
        return np.zeros((len(directions), len(weights)))


class KnownContributions(Certain):
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

    def of(self, weights: np.ndarray) -> Tensor:
        return torch.as_tensor(weights).to(self._vectors) @ self._vectors

    def against(self, directions: Tensor) -> np.ndarray:
        return (directions.to(self._vectors) @ self._vectors.T).cpu().numpy()

    def describe(self) -> str:
        return self._description

    def release(self) -> None:
        """Hold on to the vectors: they are small."""


class GroupedContributions:
    """Contributions of groups of features, each the sum of its members'."""

    def __init__(self, parts: Contributions, groups: Sequence[Sequence[int]]):
        self._parts = parts
        self._members = np.zeros((len(groups), parts.features), np.float32)
        for group, indices in enumerate(groups):
            self._members[group, list(indices)] = 1
        self.embedding = parts.embedding
        self.features = len(groups)
        self.sampled = parts.sampled

    @property
    def reference(self) -> Tensor:
        return self._parts.reference

    @property
    def total(self) -> Tensor:
        return self._parts.total

    def of(self, weights: np.ndarray) -> Tensor:
        return self._parts.of(weights @ self._members)

    def against(self, directions: Tensor) -> np.ndarray:
        return self._parts.against(directions) @ self._members.T

    def spread(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
        return self._parts.spread(weights @ self._members, directions)

    def describe(self) -> str:
        return self._parts.describe()

    def release(self) -> None:
        self._parts.release()
