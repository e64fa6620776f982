"""``Contributions``: one vector in the shared space for each feature; ``Method``: measures them."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, Part, PictureReference

#: The cheaper alternative to most layers, in words.
LATER_LAYER = "a later layer (−1 is the last)"


class Contributions(Protocol):
    """One tower's contributions ``c_i``, computed when they are needed, on any thread."""

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
        """Whether they are estimated from random samples, with a standard error."""
        ...

    def joint(self, weights: np.ndarray) -> Tensor:
        """Return weighted sums ``weights @ c``, ``(m, n)`` to ``(m, K)``."""
        ...

    def along(self, directions: Tensor) -> np.ndarray:
        """Return the components ``directions @ c.T``, ``(m, K)`` to ``(m, n)``."""
        ...

    def standard_error(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
        """Return the standard error of weighted sums along directions.

        Parameters
        ----------
        weights
            Weights of the features in each sum, ``(m, n)``.
        directions
            ``(d, K)``.

        Returns
        -------
        numpy.ndarray
            ``(d, m)``; zeros where nothing is sampled.
        """
        ...

    def describe(self) -> str:
        """Return in a few words how finely they were measured, such as ``"24 nodes"``."""
        ...

    def release(self) -> None:
        """Release memory that only makes further calls faster."""
        ...


class Method(Protocol):
    """Measures what each feature of an input contributes.

    A method is a frozen dataclass of settings, and works for the inputs of any
    encoder.
    """

    @property
    def label(self) -> str:
        """The method's name for display."""
        ...

    @property
    def reads_at(self) -> str | None:
        """Where features are read, in words; ``None`` where the user chooses the layer."""
        ...

    def cheaper_alternative(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        """Return in a few words which settings would cost less; ``""`` where none would.

        Parameters
        ----------
        encoder
            The encoder that is explained.
        layers
            ``(text, image)``, where features are read; ``None`` if the method does not read
            features at a layer.
        """
        ...

    def check(self, encoder: DualEncoder) -> None:
        """Raise ``InputError`` if an encoder cannot be explained with these settings."""
        ...

    def measure(self, part: Part) -> Contributions:
        """Return the contributions of one input's features."""
        ...


class ReadsHiddenStates:
    """Base of methods that read features at a layer of the user's choice.

    A setting such as ``text_reference`` holds the reference of the tower ``text``: its kind, or
    pictures. A tower without such a setting uses the encoder's default.
    """

    reads_at = None

    def reference(self, tower_name: str) -> str | PictureReference | None:
        """Return the reference for a tower; ``None`` for the encoder's default."""
        held: str | PictureReference | None = getattr(self, f"{tower_name}_reference", None)
        return held

    def cheaper_alternative(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        last = encoder.resolve_layers(-1)
        return "" if layers in (None, last) else LATER_LAYER

    def check(self, encoder: DualEncoder) -> None:
        for name, tower in encoder.towers.items():
            if isinstance(kind := self.reference(name), str):
                tower.check_reference(kind)


class Deterministic:
    """Base of contributions that are not sampled, and so have no standard error."""

    sampled = False

    def standard_error(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
        return np.zeros((len(directions), len(weights)))


class ExplicitContributions(Deterministic):
    """Contributions given by their vectors, all computed beforehand.

    Parameters
    ----------
    vectors
        ``(features, K)``.
    embedding, reference
        ``(K,)``.
    description
        Returned by ``describe``.
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
        """Do nothing: the vectors are small."""
