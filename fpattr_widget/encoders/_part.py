"""One input in its tower: all that a method needs to measure it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import InputError
from ._graphs import Kept
from ._inputs import Inputs, Panel, Prepared
from ._tower import Split, Tower


@dataclass(frozen=True)
class Part:
    """One input of a side, in its tower, of a model as it is.

    Attributes
    ----------
    tower
        Reads the input.
    prepared
        The input.
    layer
        Number of the block at whose input features are read.
    side
        0 where its features are rows of the matrix of pairs, 1 where they are columns.
    model
        The encoder's name, for messages.
    usual_reference
        The kind of reference that is meant where the user names none.
    usual_nodes
        How many nodes of a Gauss–Legendre quadrature mostly suffice at this layer; ``None``
        where that is not known.
    memory_limit
        Bytes of working memory.
    graphs
        Keeps the graphs of all measurements that share the limit.
    """

    tower: Tower
    prepared: Prepared
    layer: int
    side: int
    model: str
    usual_reference: str
    usual_nodes: int | None
    memory_limit: int
    graphs: Kept

    @property
    def inputs(self) -> Inputs:
        """What the tower takes."""
        return self.prepared.inputs

    @property
    def device(self) -> torch.device:
        """Where the inputs are."""
        return next(iter(self.inputs.values())).device

    @property
    def panel(self) -> Panel:
        """What a reader sees of the input."""
        return self.tower.panel(self.prepared, self.layer)

    def split(self, reference: str | None = None) -> Split:
        """Return the tower cut at the layer; ``reference`` is a kind of the tower's own."""
        kind = reference or self.usual_reference
        start = self.tower.reference(self.prepared, kind)
        return self.tower.split(self.inputs, start, self.layer)

    def require_finite(self, embedding: Tensor) -> None:
        """Raise ``InputError`` if an embedding holds NaN or infinity or is zero."""
        require_finite(embedding, self.model, self.tower.name)

    def unit_length(self, embeddings: Tensor) -> Tensor:
        """Return embeddings ``(m, K)`` at unit length, in float32 or better; zero stays zero.

        Raises
        ------
        InputError
            When one of them is not finite.
        """
        precise = torch.promote_types(embeddings.dtype, torch.float32)
        embeddings = embeddings.to(precise)
        if not bool(torch.isfinite(embeddings).all()):
            self.require_finite(embeddings)
        return nn.functional.normalize(embeddings, dim=-1)


def require_finite(embedding: Tensor, model: str, tower: str) -> None:
    """Raise ``InputError`` if an embedding holds NaN or infinity or is zero."""
    if not bool(torch.isfinite(embedding).all()) or not bool((embedding != 0).any()):
        raise InputError(
            "model",
            f"{model!r} gives no usable {tower} embedding (NaN, infinite or all zero)",
            "check its weights, or load it with dtype=torch.float32",
        )
