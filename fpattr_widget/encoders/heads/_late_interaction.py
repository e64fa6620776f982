"""Late interaction: each vector of a text looks for the best of an image's vectors.

Khattab and Zaharia, "ColBERT", SIGIR 2020, arXiv 2004.12832; Faysse et al., "ColPali", ICLR 2025,
arXiv 2407.01449. With ``q_i`` the ``T`` vectors of a text and ``d_j`` those of an image, all of
unit length, the published score is

    Σ_i max_j ⟨q_i, d_j⟩.

As a head, the winners ``d_m(i)`` one after the other are the image's embedding for the text, and
the ``q_i`` are the text's own, so that the cosine of the two is the published score over ``T``:
the mean over a text's vectors of their best cosines.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...choices import Reading
from .._head import cosines
from .._inputs import Crop, Panel
from .._read_out import ReadOut


@dataclass(frozen=True, eq=False)
class LateInteractionHead:
    """The winners of a text's vectors among an image's; see ``Head``.

    Outputs of both towers hold vectors one after the other, ``(vectors · size)``. A vector of
    zeros is padding: it asks for nothing and never wins.

    Attributes
    ----------
    size
        Numbers in a vector.
    queries
        Names of the image's vectors, where they belong to learnt queries; ``None`` where they
        belong to the features of the last block.
    """

    size: int
    queries: tuple[str, ...] | None = None
    #: Which vector wins is constant between the places where it changes.
    readings: tuple[Reading, ...] = ("frozen",)
    routing_name: str = "winners"
    left_out_name: str = "change of winners"
    names_features: bool = True

    @property
    def score_name(self) -> str:
        """What the score is, beside its being a cosine."""
        return "mean over the query's tokens" if self.queries is None else "best of the queries"

    def mix(self, image: Tensor, text: Tensor) -> Tensor:
        winners, vectors = self.winners(image, text), self._vectors(image)
        vectors = vectors.expand(*winners.shape[:-1], *vectors.shape[-2:])
        chosen = torch.take_along_dim(vectors, winners[..., None], dim=-2)
        return (chosen * self._asks(text)[..., None]).flatten(-2)

    def embed(self, text: Tensor) -> Tensor:
        return text

    def frozen(self, image: Tensor, text: Tensor) -> Callable[[Tensor], Tensor]:
        winners, asks = self.winners(image, text), self._asks(text)
        return lambda others: (self._vectors(others)[..., winners, :] * asks[:, None]).flatten(-2)

    def read_out(
        self, image: Tensor, text: Tensor, panels: tuple[Panel, Panel] | None = None
    ) -> ReadOut:
        """Return which of an image's vectors wins for each of a text's.

        ``products`` are all ``⟨q_i, d_j⟩``. Where the places are patches and a route's winner is
        a token of the prompt, the route's weight is ``nowhere``, and its part of the cosine is
        constant.

        Parameters
        ----------
        image, text
            Outputs of the towers, ``(K_image,)`` and ``(K_text,)``.
        panels
            Of the text and of the image at its last block; ``None`` to number the vectors.
        """
        image, text = (self._vectors(one)[self._asks(one)].flatten() for one in (image, text))
        products = self.similarities(image, text).double().cpu().numpy()
        count, vectors = products.shape
        winners = self.winners(image, text).tolist()
        weights = np.zeros_like(products)
        weights[np.arange(count), winners] = 1
        contributions = weights * products / count
        routes, places, grid, names = self._names(count, vectors, panels)
        of_patches = slice(0 if grid is None else vectors - grid[0] * grid[1], None)
        before = slice(0, of_patches.start)
        total = float((weights * products).sum())
        return ReadOut(
            routes=routes,
            places=places,
            grid=grid,
            weights=weights[:, of_patches],
            nowhere=weights[:, before].sum(1) if of_patches.start else None,
            contributions=contributions[:, of_patches],
            constant=float(contributions[:, before].sum()),
            similarity=float(cosines(self, image, text)),
            compared={f"summed over {count} tokens, as published": total} if count > 1 else {},
            products=products[:, of_patches],
            winners=tuple(names[winner] for winner in winners),
        )

    def _names(
        self, routes: int, vectors: int, panels: tuple[Panel, Panel] | None
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, int] | None, tuple[str, ...]]:
        """Return the names of routes and places, the grid, and the names of all vectors."""
        if self.queries is not None:
            return ("text",), self.queries, None, self.queries
        if panels is None:
            tokens = tuple(f"token {number + 1}" for number in range(routes))
            numbered = tuple(f"vector {number + 1}" for number in range(vectors))
            return tokens, numbered, None, numbered
        sentence, crop = panels
        assert isinstance(crop, Crop)
        names = tuple(
            feature.label
            if feature.place is None
            else f"{feature.label} ({feature.place[0] + 1}, {feature.place[1] + 1})"
            for feature in crop.features
        )
        return tuple(feature.label for feature in sentence.features), (), crop.grid, names

    def similarities(self, image: Tensor, text: Tensor) -> Tensor:
        """Return ``⟨q_i, d_j⟩``, ``(..., vectors of the text, vectors of the image)``."""
        return self._vectors(text) @ self._vectors(image).mT

    def winners(self, image: Tensor, text: Tensor) -> Tensor:
        """Return which of the image's vectors wins for each of the text's, ``(..., T)``."""
        absent = ~self._asks(image)[..., None, :]
        return self.similarities(image, text).masked_fill(absent, -torch.inf).argmax(-1)

    def _vectors(self, output: Tensor) -> Tensor:
        return output.unflatten(-1, (-1, self.size))

    def _asks(self, output: Tensor) -> Tensor:
        """Return which of a tower's vectors are no padding, ``(..., vectors)`` bool."""
        return (self._vectors(output) != 0).any(-1)
