"""One tower as a cooperative game: its embedding of an input with some features removed.

The players are the content tokens, or the patches; special positions always stay. The
game is that of FIxLIP (Baniecki et al., NeurIPS 2025, arXiv 2508.05430): a
patch is removed by zeros in the preprocessed pixels, or by the pixels of another
reference; a token by the attention mask.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, Head, Part, PictureReference, block_numbers, cosines
from ._memory import Portions

#: The remedy when memory does not suffice for one encoding.
REMEDY = "pass a smaller image or a shorter caption, or choose a smaller `model`"
# Bytes of a batch on a CPU. Larger ones are slower: their states leave the CPU's cache.
_CPU_BATCH = 2**24


class Game:
    """Maps coalitions of features to unit-length embeddings; each is encoded once.

    Parameters
    ----------
    value
        Returns the embeddings of coalitions, ``(m, players)`` bool to ``(m, K)``.
    players
        Indices of the features that can be removed.
    features
        Number of features, including those that always stay.
    device
        Device of the masks that ``value`` takes.
    batch_size
        The most coalitions that ``value`` takes at once.
    """

    def __init__(
        self,
        value: Callable[[Tensor], Tensor],
        players: np.ndarray,
        features: int,
        device: torch.device | str = "cpu",
        batch_size: int = 64,
    ):
        self.players = players
        self.features = features
        self._value = value
        self._device = device
        self._portions = Portions(batch_size, REMEDY)
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
        """Return the embedding of the full coalition, ``(K,)``."""
        return self.values(np.ones((1, len(self.players)), bool))[0]

    def nothing(self) -> Tensor:
        """Return the embedding of the empty coalition, ``(K,)``."""
        return self.values(np.zeros((1, len(self.players)), bool))[0]

    def scatter(self, contributions: Tensor) -> Tensor:
        """Return vectors of all features, ``(features, K)``: the players' own, zeros for others."""
        vectors = contributions.new_zeros(self.features, contributions.shape[1])
        vectors[torch.from_numpy(self.players).to(vectors.device)] = contributions
        return vectors


#: How features are removed, by the tower's name: a kind, or the pictures whose pixels replace
#: those of patches.
Removal = Mapping[str, str | PictureReference]


def check_removal(encoder: DualEncoder, removal: Removal) -> None:
    """Raise ``InputError`` if an encoder's features cannot be removed in these ways."""
    for name, tower in encoder.towers.items():
        if name in removal:
            tower.check_removal(removal[name], encoder.name)


def game_of(part: Part, removal: Removal) -> Game:
    """Return the game of an input's features.

    Parameters
    ----------
    part
        The input; the grid of patches is that of its layer.
    removal
        How features are removed, by the tower's name; a tower without an entry has its default.
    """
    tower, inputs = part.tower, part.inputs
    chosen = removal.get(tower.name, tower.default_removal)
    tower.check_removal(chosen, part.model)
    features = len(part.panel.features)
    players = tower.removable(part.prepared, part.layer)

    def value(kept: Tensor) -> Tensor:
        mask = kept.new_ones(len(kept), features)
        mask[:, torch.from_numpy(players).to(kept.device)] = kept
        batch = tower.masked(part.prepared, part.layer, mask, chosen)
        return part.unit_length(part.embed(batch))

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
    return Game(value, players, features, part.device, batch_size=limit // size)


class MaskedSimilarity:
    """Cosine similarities of two inputs with features removed; each is encoded once.

    Attributes
    ----------
    rows, columns
        The games of the two inputs.
    head
        Makes the score of what the towers give, first an image's; ``None`` where that is their
        inner product.
    """

    def __init__(self, rows: Game, columns: Game, head: Head | None = None):
        self.rows, self.columns = rows, columns
        self.head = head

    def table(self, kept_rows: np.ndarray, kept_columns: np.ndarray) -> np.ndarray:
        """Return the cosine of each masked first input with each masked second input.

        Parameters
        ----------
        kept_rows, kept_columns
            The players to keep, ``(m, players)`` and ``(n, players)`` bool.

        Returns
        -------
        numpy.ndarray
            ``(m, n)`` float64.
        """
        rows, columns = self.rows.values(kept_rows), self.columns.values(kept_columns)
        if self.head is None:
            return (rows @ columns.T).cpu().numpy().astype(np.float64)
        # One image at a time, whose output may be long: what a head makes of it alone is made once.
        with torch.no_grad():
            scores = [cosines(self.head, column, rows).cpu().numpy() for column in columns]
        return np.stack(scores, 1).astype(np.float64)
