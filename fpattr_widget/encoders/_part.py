"""One input with its tower: all that a method needs to measure it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import InputError
from ._inputs import Inputs, Panel, Prepared
from ._memory_budget import MemoryBudget
from ._reference import PictureReference
from ._tower import Split, Tower


@dataclass(frozen=True)
class Part:
    """One input with its tower, ready to be measured.

    Attributes
    ----------
    tower
        Embeds the input.
    prepared
        The input.
    layer
        Number of the block at whose input features are read.
    stream
        Numbers of the random stream from which methods that sample draw: the side, and the
        input's number on it. Streams are independent.
    model
        The encoder's name, for messages.
    default_reference
        The kind of reference to use unless the method has one.
    expected_nodes
        Number of Gauss–Legendre nodes that usually suffice at this layer; ``None`` where it
        is not known.
    memory_limit
        Bytes of working memory.
    memory_budget
        Shared by all measurements that keep computation graphs.
    """

    tower: Tower
    prepared: Prepared
    layer: int
    stream: tuple[int, int]
    model: str
    default_reference: str
    expected_nodes: int | None
    memory_limit: int
    memory_budget: MemoryBudget

    @property
    def inputs(self) -> Inputs:
        """The tower's inputs, a batch of one."""
        return self.prepared.inputs

    @property
    def device(self) -> torch.device:
        """The device of the inputs."""
        return next(iter(self.inputs.values())).device

    @property
    def panel(self) -> Panel:
        """How the input is shown, with its features."""
        return self.tower.panel(self.prepared, self.layer)

    def split(self, reference: str | PictureReference | None = None) -> Split:
        """Return the tower cut at the layer.

        Parameters
        ----------
        reference
            A kind of reference that the tower has, or pictures; ``None`` for the default kind.

        Raises
        ------
        InputError
            When the tower has no such reference, or a picture does not fit the input.
        """
        kind = reference or self.default_reference
        if isinstance(kind, str):
            references = [(1.0, self.tower.reference(self.prepared, kind))]
        else:
            references = kind.inputs_for(self.prepared)
        return self.tower.split(self.inputs, references, self.layer)

    def require_finite(self, embedding: Tensor) -> None:
        """Raise ``InputError`` if an embedding is not finite, or zero."""
        require_finite(embedding, self.model, self.tower.name)

    def unit_length(self, embeddings: Tensor) -> Tensor:
        """Return embeddings ``(m, K)`` scaled to unit length, in float32 or better.

        A zero embedding stays zero.

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


def require_finite(embedding: Tensor, model: str, tower_name: str) -> None:
    """Raise ``InputError`` if an embedding is not finite, or zero."""
    if not bool(torch.isfinite(embedding).all()) or not bool((embedding != 0).any()):
        raise InputError(
            "model",
            f"{model!r} gives no usable {tower_name} embedding (NaN, infinite or all zero)",
            "check its weights, or load it with dtype=torch.float32",
        )
