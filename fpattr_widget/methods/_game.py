"""One tower as a game: what it says when it sees some of its features alone.

The players are the content tokens, or the patches. Special positions stay. The
game is that of FIxLIP (Baniecki et al., NeurIPS 2025, arXiv 2508.05430): a
patch is removed by zeros in the preprocessed pixels, a token by the attention
mask.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ..encoders import (
    DualEncoder,
    ImageTower,
    Inputs,
    PreparedImage,
    PreparedText,
    TextTower,
    content,
    repeat_inputs,
)
from ..errors import InputError
from ._integral import at_least_float32
from ._memory import Portions, block_numbers

# How a token is removed.
_TOKENS = ("mask", "reference")
# How a patch is removed.
_PATCHES = ("zeros",)

#: What to do when memory does not suffice for one encoding.
REMEDY = "pass a smaller image or a shorter caption, or choose a smaller `model`"
# On a CPU, larger batches are slower: their states no longer stay in its cache.
_CPU_BATCH = 2**24

#: From kept features ``(B, features)`` bool to a tower's inputs.
Hide = Callable[[Tensor], Inputs]


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
        self._known: dict[bytes, Tensor] = {}

    def values(self, kept: np.ndarray) -> Tensor:
        """Return the embeddings of coalitions, ``(m, players)`` bool to ``(m, K)``."""
        if not len(kept):
            return self.everything()[None][:0]
        keys = [row.tobytes() for row in kept]
        new = {key: row for key, row in zip(keys, kept, strict=True) if key not in self._known}
        if new:
            masks = torch.from_numpy(np.stack(list(new.values()))).to(self._device)
            values = self._portions.run(self._value, masks, "masks")
            self._known.update(zip(new, values, strict=True))
        return torch.stack([self._known[key] for key in keys])

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


def check_removal(tokens: str, patches: str) -> None:
    """Raise ``InputError`` unless both ways of removing a feature are known."""
    if tokens not in _TOKENS:
        raise InputError(f"`tokens` is {tokens!r}: pass 'mask' or 'reference'.")
    if patches not in _PATCHES:
        raise InputError(f"`patches` is {patches!r}: pass 'zeros'.")


def check_tokens(encoder: DualEncoder, tokens: str) -> None:
    """Raise ``InputError`` if an encoder's tokens cannot be removed in this way."""
    if tokens == "mask" and not encoder.text_tower.masks:
        raise InputError(
            f"`tokens` is 'mask', but the text tower of {encoder.name!r} takes no attention mask: "
            "pass a `method` with tokens='reference'."
        )


def text_game(encoder: DualEncoder, text: PreparedText, tokens: str) -> Game:
    """Return the game of a caption's content tokens, removed as ``tokens`` says."""
    check_tokens(encoder, tokens)
    tower, inputs = encoder.text_tower, text.inputs
    # Of the same length and end, whatever the encoder's own reference is.
    filler = encoder.reference_text(text, "pad")["input_ids"]

    def hide(kept: Tensor) -> Inputs:
        if tokens == "mask":
            return tower.keep_tokens(inputs, kept)
        ids = torch.where(kept, inputs["input_ids"], filler)
        return {**repeat_inputs(inputs, len(kept)), "input_ids": ids}

    features = len(text.tokens)
    return _game(encoder, tower, inputs, hide, np.flatnonzero(content(text)), features)


def image_game(encoder: DualEncoder, image: PreparedImage, layer: int) -> Game:
    """Return the game of an image's patches; ``layer`` is where the grid is read off."""
    tower, inputs = encoder.image_tower, image.inputs
    grid, special = encoder.image_layout(image, layer)
    first, features = len(special), len(special) + grid[0] * grid[1]

    def hide(kept: Tensor) -> Inputs:
        return tower.keep_patches(inputs, grid, kept[:, first:])

    return _game(encoder, tower, inputs, hide, np.arange(first, features), features)


def unit_length(encoder: DualEncoder, tower: TextTower | ImageTower, embeddings: Tensor) -> Tensor:
    """Return embeddings ``(m, K)`` at unit length, in float32 or better; zero stays zero."""
    embeddings = at_least_float32(embeddings)
    if not bool(torch.isfinite(embeddings).all()):
        encoder.require_finite(embeddings, tower.name)
    return nn.functional.normalize(embeddings, dim=-1)


def _game(
    encoder: DualEncoder,
    tower: TextTower | ImageTower,
    inputs: Inputs,
    hide: Hide,
    players: np.ndarray,
    features: int,
) -> Game:
    def value(kept: Tensor) -> Tensor:
        shown = kept.new_ones(len(kept), features)
        shown[:, torch.from_numpy(players).to(kept.device)] = kept
        return unit_length(encoder, tower, tower.embed(hide(shown)))

    reading = tower.read(inputs, 0)
    encoder.require_finite(reading.embedding, tower.name)
    if reading.states.ndim == 4:  # a feature map, with no attention
        numbers = 20 * reading.states.numel()
    else:
        numbers = block_numbers(*tower.features(inputs, 0).shape)
    size = numbers * reading.states.element_size()
    limit = encoder.memory_limit
    if encoder.device.type == "cpu":
        limit = min(limit, _CPU_BATCH)
    return Game(value, players, features, encoder.device, together=limit // size)
