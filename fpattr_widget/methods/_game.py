"""One tower as a game: what it says when it sees some of its features alone.

The players are the content tokens, or the patches. Special positions stay. The
game is that of FIxLIP (Baniecki et al., NeurIPS 2025, arXiv 2508.05430): a
patch is removed by zeros in the preprocessed pixels, a token by the attention
mask.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, Part
from ._memory import Portions, block_numbers

#: What to do when memory does not suffice for one encoding.
REMEDY = "pass a smaller image or a shorter caption, or choose a smaller `model`"
# On a CPU, larger batches are slower: their states no longer stay in its cache.
_CPU_BATCH = 2**24


class Game:
    """From coalitions of features to unit-length embeddings; each is encoded once.

    Parameters
    ----------
    value
        From kept players, ``(m, players)`` bool, to embeddings, ``(m, K)``.
    players
        Numbers of the features that can be removed.
    features
        Number of features, with those that always stay.
    device
        Where ``value`` takes its masks.
    together
        Most coalitions that ``value`` is asked for at once.
    """

    def __init__(
        self,
        value: Callable[[Tensor], Tensor],
        players: np.ndarray,
        features: int,
        device: torch.device | str = "cpu",
        together: int = 64,
    ):
        self.players = players
        self.features = features
        self._value = value
        self._device = device
        self._portions = Portions(together, REMEDY)
        self._encoded: dict[bytes, Tensor] = {}

    def values(self, kept: np.ndarray) -> Tensor:
        """Return the embeddings of coalitions, ``(m, players)`` bool to ``(m, K)``."""
        if not len(kept):
            return self.everything()[None][:0]
        keys = [row.tobytes() for row in kept]
        new = {key: row for key, row in zip(keys, kept, strict=True) if key not in self._encoded}
        if new:
            masks = torch.from_numpy(np.stack(list(new.values()))).to(self._device)
            values = self._portions.run(self._value, masks, "masks")
            self._encoded.update(zip(new, values, strict=True))
        return torch.stack([self._encoded[key] for key in keys])

    def everything(self) -> Tensor:
        """Return the embedding with every player, ``(K,)``."""
        return self.values(np.ones((1, len(self.players)), bool))[0]

    def nothing(self) -> Tensor:
        """Return the embedding with no player, ``(K,)``."""
        return self.values(np.zeros((1, len(self.players)), bool))[0]

    def place(self, contributions: Tensor) -> Tensor:
        """Put the players' vectors among all features', ``(features, K)``; others have zeros."""
        vectors = contributions.new_zeros(self.features, contributions.shape[1])
        vectors[torch.from_numpy(self.players).to(vectors.device)] = contributions
        return vectors


def check_removal(encoder: DualEncoder, removal: Mapping[str, str]) -> None:
    """Raise ``InputError`` if features of an encoder's inputs cannot be removed in these ways."""
    for name, tower in encoder.towers.items():
        if name in removal:
            tower.check_removal(removal[name], encoder.name)


def game_of(part: Part, removal: Mapping[str, str]) -> Game:
    """Return the game of an input's features.

    Parameters
    ----------
    part
        The input; its layer is where a grid of patches is read off.
    removal
        How a feature is removed, by the tower's name; the tower's first way unless named.
    """
    tower, inputs = part.tower, part.inputs
    how = removal.get(tower.name, tower.usual_removal)
    tower.check_removal(how, part.model)
    features = len(part.panel.features)
    players = tower.removable(part.prepared, part.layer)

    def value(kept: Tensor) -> Tensor:
        shown = kept.new_ones(len(kept), features)
        shown[:, torch.from_numpy(players).to(kept.device)] = kept
        batch = tower.without(part.prepared, part.layer, shown, how)
        return part.unit_length(tower.embed(batch))

    reading = tower.read(inputs, 0)
    part.require_finite(reading.embedding)
    if reading.states.ndim == 4:  # a feature map, with no attention
        numbers = 20 * reading.states.numel()
    else:
        numbers = block_numbers(*tower.features(inputs, 0).shape)
    size = numbers * reading.states.element_size()
    limit = part.memory_limit
    if part.device.type == "cpu":
        limit = min(limit, _CPU_BATCH)
    return Game(value, players, features, part.device, together=limit // size)


class MaskedSimilarity:
    """Cosines of two inputs with features removed; each masked input is encoded once.

    Attributes
    ----------
    rows, columns
        The games of the two inputs, whose players can be removed.
    """

    def __init__(self, rows: Game, columns: Game):
        self.rows, self.columns = rows, columns

    def table(self, kept_rows: np.ndarray, kept_columns: np.ndarray) -> np.ndarray:
        """Return the cosine of every masked first input with every masked second.

        Parameters
        ----------
        kept_rows, kept_columns
            The players that are kept, ``(m, players)`` and ``(n, players)`` bool.

        Returns
        -------
        numpy.ndarray
            ``(m, n)`` float64.
        """
        rows, columns = self.rows.values(kept_rows), self.columns.values(kept_columns)
        return (rows @ columns.T).cpu().numpy().astype(np.float64)
