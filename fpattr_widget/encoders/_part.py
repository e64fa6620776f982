"""One input with its tower: all that a method needs to measure it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..errors import InputError
from ._inputs import Inputs, Panel, Prepared
from ._last_block import AttentionPooling
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
    read_by_head
        Whether the score is made by a head of what the tower gives, whose length is no matter
        then.
    after
        What follows the tower, ``(B, K)`` to ``(B, C)``; ``None`` where nothing does.
    may_be_zero
        See :meth:`followed_by`.
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
    read_by_head: bool = False
    after: Callable[[Tensor], Tensor] | None = None
    may_be_zero: bool = False

    def followed_by(
        self, after: Callable[[Tensor], Tensor], *, may_be_zero: bool = False
    ) -> "Part":
        """Return the part with a function that makes of the tower's output an embedding.

        Parameters
        ----------
        after
            The function.
        may_be_zero
            Whether the embedding is one part of several, of which some may add nothing.
        """
        return replace(self, after=after, read_by_head=False, may_be_zero=may_be_zero)

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

    @property
    def last_panel(self) -> Panel:
        """How the input is shown, with the features that enter the last block."""
        return self.tower.panel(self.prepared, len(self.tower.blocks) - 1)

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
        split = self.tower.split(self.inputs, references, self.layer)
        return split if self.after is None else _continued(split, self._followed)

    def output(self) -> Tensor:
        """Return what the tower gives for the input, ``(K,)``, in float32 or better."""
        return _precise(self.tower.read(self.inputs, self.layer).embedding)[0]

    def embed(self, inputs: Inputs) -> Tensor:
        """Return the embeddings of other inputs of the tower, ``(B, K)``."""
        return self.finish(self.tower.embed(inputs))

    def embed_alone(self, features: Sequence[int]) -> Tensor:
        """Return the embeddings of single features; see ``Tower.embed_alone``."""
        return self.finish(self.tower.embed_alone(self.inputs, features))

    def finish(self, outputs: Tensor) -> Tensor:
        """Return the embeddings that follow from what the tower gives, ``(B, K)`` to ``(B, C)``."""
        with torch.no_grad():
            return self._followed(outputs)

    def _followed(self, outputs: Tensor) -> Tensor:
        return outputs if self.after is None else self.after(_precise(outputs))

    def require_finite(self, embedding: Tensor) -> None:
        """Raise ``InputError`` if an embedding is not finite, or zero where it may not be."""
        if self.may_be_zero and not bool((embedding != 0).any()):
            return
        require_finite(embedding, self.model, self.tower.name)

    def unit_length(self, embeddings: Tensor) -> Tensor:
        """Return embeddings ``(m, K)`` scaled to unit length, in float32 or better.

        A zero embedding stays zero. What a head reads is left as it is.

        Raises
        ------
        InputError
            When one of them is not finite.
        """
        embeddings = _precise(embeddings)
        if not bool(torch.isfinite(embeddings).all()):
            self.require_finite(embeddings)
        return embeddings if self.read_by_head else nn.functional.normalize(embeddings, dim=-1)


def _precise(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _continued(split: Split, after: Callable[[Tensor], Tensor]) -> Split:
    """Return a split with a function that follows the tower."""
    last = split.last_block
    described: AttentionPooling | None = None
    if isinstance(last, AttentionPooling):
        finish = last.finish
        described = replace(last, finish=lambda mixed, state: after(finish(mixed, state)))
    with torch.no_grad():
        embedding = after(split.embedding[None])[0]
    return replace(
        split,
        embedding=embedding,
        embed=lambda features: after(split.embed(features)),
        last_block=described,
    )


def require_finite(embedding: Tensor, model: str, tower_name: str) -> None:
    """Raise ``InputError`` if an embedding is not finite, or zero."""
    if not bool(torch.isfinite(embedding).all()) or not bool((embedding != 0).any()):
        raise InputError(
            "model",
            f"{model!r} gives no usable {tower_name} embedding (NaN, infinite or all zero)",
            "check its weights, or load it with dtype=torch.float32",
        )
