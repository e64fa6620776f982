"""Occlusion: the change when one feature is removed."""

import threading
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, Part, PictureReference, TextTower, check_choice
from ._contributions import Deterministic
from ._game import Game, Removal, check_removal, game_of
from ._reference import ImageReference, held_reference, in_words


@dataclass(frozen=True)
class Occlusion:
    """Occlusion of one feature at a time, in both towers.

    With ``ĝ`` the unit-length embedding, ``c_i = ĝ(x) − ĝ(x without i)``, so
    that the attribution of token ``j`` and patch ``i`` is the second
    difference of the cosine, ``s(a, b) − s(a∖i, b) − s(a, b∖j) + s(a∖i, b∖j)``.
    Each feature costs one encoding.

    Parameters
    ----------
    tokens
        How a token is removed: ``"mask"``, by the attention mask, or
        ``"reference"``, by a token without meaning such as padding.
    patches
        What replaces a patch's pixels: ``"zeros"`` after preprocessing, the mean colour;
        ``"blurred"``, the image's own after a strong blur; or those of a ``Picture`` of the
        image's size (of several, their mean). See :class:`IntegratedJacobians`.

    Raises
    ------
    InputError
        When a setting is none of these.
    """

    tokens: str = "mask"
    patches: ImageReference = "zeros"

    def __post_init__(self) -> None:
        check_choice("tokens", self.tokens, TextTower.removals)
        object.__setattr__(self, "patches", held_reference(self.patches, "patches"))

    @property
    def label(self) -> str:
        return f"occlusion{in_words(self.patches)}"

    @property
    def reads_at(self) -> str:
        return "at the input"

    def cheaper_alternative(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        return ""

    def check(self, encoder: DualEncoder) -> None:
        check_removal(encoder, self.removal)

    @property
    def removal(self) -> Removal:
        """How features are removed, by the tower's name."""
        return {"text": self.tokens, "image": cast(str | PictureReference, self.patches)}

    def measure(self, part: Part) -> "OcclusionContributions":
        return OcclusionContributions(game_of(part, self.removal))


class OcclusionContributions(Deterministic):
    """One tower's contributions; a feature is occluded when it is first needed.

    Attributes
    ----------
    game
        Encodes the input with features removed.
    """

    def __init__(self, game: Game):
        self.game = game
        self._lock = threading.Lock()
        self.embedding = game.everything()
        self.features = game.features

    @property
    def reference(self) -> Tensor:
        with self._lock:
            return self.game.nothing()

    @property
    def total(self) -> Tensor:
        return self._vectors(np.arange(self.features)).sum(0)

    def joint(self, weights: np.ndarray) -> Tensor:
        needed = np.flatnonzero((weights != 0).any(0))
        vectors = self._vectors(needed)
        return torch.as_tensor(weights[:, needed]).to(vectors) @ vectors

    def along(self, directions: Tensor) -> np.ndarray:
        vectors = self._vectors(np.arange(self.features))
        return (directions.to(vectors) @ vectors.T).cpu().numpy()

    def describe(self) -> str:
        count = len(self.game.players)
        return "1 occlusion" if count == 1 else f"{count} occlusions"

    def release(self) -> None:
        """Do nothing: the embeddings are small."""

    def _vectors(self, features: np.ndarray) -> Tensor:
        """Return the contributions of some features, ``(len(features), K)``."""
        # The row of a feature that is not a player keeps them all: its contribution is zero.
        kept = features[:, None] != self.game.players[None, :]
        with self._lock:
            return self.embedding - self.game.values(kept)
