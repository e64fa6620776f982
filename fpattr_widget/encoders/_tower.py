"""A tower: one encoder of a model, cut at a layer, with the model's own forward doing all the work.

A pass can begin at any block, with other states in the place of those that enter it
(:mod:`._blocks`). Where some positions are read, the last block is computed there alone, once
its description has given the model's own embedding and derivative (:mod:`._probes`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from ._blocks import Blocks, Pass
from ._cache import LRUCache
from ._differentiable import HALF, differentiable, without_autocast
from ._inputs import Inputs, Panel, Prepared, repeat_inputs
from ._last_block import AttentionPooling, MeanPooling, agree, sample_jacobian
from ._memory_needed import block_numbers
from ._probes import Findings, Verdict, can_start_at_its_states, compare_jacobians, shares_inputs
from ._reference import PictureReference, digest_of
from ._twin import Twin

#: Describes a tower's last block for one input; ``None`` where it cannot be described.
LastBlock = Callable[[Inputs], AttentionPooling | MeanPooling | None]

# Readings that are cached: of references, and of the inputs explained last.
_MOST_READINGS = 16
# Mean states of several references that are cached.
_MOST_MEANS = 4


@dataclass(frozen=True)
class Arrangement:
    """How the states inside a tower are laid out, where that is not ``(B, features, width)``.

    Attributes
    ----------
    pack
        The tower's own states and its inputs to ``(B, features, width)``.
    unpack
        Features ``(B, features, width)``, and the tower's own states for one
        input (for their shape, and for positions that are not features), to
        the tower's own states.
    """

    pack: Callable[[Tensor, Inputs], Tensor]
    unpack: Callable[[Tensor, Tensor], Tensor]


#: States that are ``(B, features, width)`` already.
BATCH_FIRST = Arrangement(pack=lambda states, _: states, unpack=lambda features, _: features)


@dataclass(frozen=True)
class Reading:
    """States and embedding of one input from one pass, in the tower's own layout.

    Attributes
    ----------
    states
        The states that enter the layer.
    embedding
        The embedding, ``(1, K)``.
    last
        The states that enter the last block.
    """

    states: Tensor
    embedding: Tensor
    last: Tensor | None = None


@dataclass(frozen=True)
class Split:
    """A tower cut at a layer, for one input.

    Attributes
    ----------
    tower_name
        For messages.
    states, reference
        What enters the layer for the input and for its reference,
        ``(features, width)``.
    embedding
        The input's embedding, ``(K,)``.
    embed
        The rest of the tower: ``(B, features, width)`` to ``(B, K)``. It uses
        the input's own mask and pooling position.
    last_block
        A description of the rest of the tower, if that is one block of known layout.
    differentiable
        Returns a context in which ``embed`` may be differentiated twice, on this thread.
    weights
        Addresses of the model's weights, whose memory a graph does not own.
    findings
        What probes have shown about the tower.
    """

    tower_name: str
    states: Tensor
    reference: Tensor
    embedding: Tensor
    embed: Callable[[Tensor], Tensor]
    last_block: AttentionPooling | MeanPooling | None
    differentiable: Callable[[], AbstractContextManager[None]]
    weights: frozenset[int]
    findings: Findings


@dataclass(frozen=True)
class _Start:
    """Where a pass begins: the block, and the input whose ``states`` enter it."""

    layer: int
    inputs: Inputs
    states: Tensor


class Tower(ABC):
    """One encoder, from its inputs to the shared space.

    Each kind of input has a subclass, which prepares it, and defines its references, how
    features are removed, and how it is shown; see :mod:`._text` and :mod:`._image`.

    Parameters
    ----------
    name
        ``"text"`` or ``"image"``, for messages.
    model
        The module that owns the tower.
    blocks
        The tower's blocks, first to last: modules whose first argument is the
        hidden states.
    encode
        Runs the tower on its inputs; returns ``(B, K)``, projection included.
    pooling
        The module that the last block's output enters next, where a tower
        pools all positions by attention or by their mean. It counts as the
        tower's last block.
    last_block
        Describes the last block for one input, where its shape is known and nothing in
        it has been wrapped or replaced; such a block is attributed in closed form.
        See :mod:`._last_block`.
    arrangement
        How the states inside the tower are laid out.

    Attributes
    ----------
    argument
        Name of the argument by which users pass its input, for messages.
    references
        The kinds of reference that it has, the default first.
    removals
        The ways in which a feature can be removed, the default first.
    """

    argument: ClassVar[str]
    references: ClassVar[tuple[str, ...]]
    removals: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        name: str,
        model: nn.Module,
        blocks: Sequence[nn.Module] | nn.ModuleList | nn.Sequential,
        encode: Callable[[Inputs], Tensor],
        *,
        pooling: nn.Module | None = None,
        last_block: LastBlock | None = None,
        arrangement: Arrangement = BATCH_FIRST,
    ):
        self.name = name
        self.model = model
        self.blocks = tuple(blocks) if pooling is None else (*blocks, pooling)
        self._pools = pooling is not None
        self.last_block = last_block
        self._forward = encode
        self._arrangement = arrangement
        self._readings: LRUCache[Reading] = LRUCache(_MOST_READINGS)
        self._means: LRUCache[Tensor] = LRUCache(_MOST_MEANS)
        self._twin: Twin | None = None
        self._device = torch.device("cpu")
        self._half = False
        self._weights: frozenset[int] = frozenset()
        self._instrumented = Blocks(name, self.blocks)
        self._findings = Findings()

    def attach(self, twin: Twin) -> None:
        """Instrument the blocks, so that passes can begin and end at them.

        Parameters
        ----------
        twin
            Owns the modules that the tower was made of.

        Raises
        ------
        InputError
            When a block is not a module of the twin.
        """
        self._instrumented.instrument(twin)
        self._twin = twin
        weights = list(self.model.parameters())
        self._device = weights[0].device
        self._half = any(weight.dtype in HALF for weight in weights)
        self._weights = frozenset(weight.untyped_storage().data_ptr() for weight in weights)

    # What each kind of input does differently

    @abstractmethod
    def prepare(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> Prepared:
        """Return what the user passed as this tower's inputs, or raise ``InputError``."""

    def inputs_of(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> Inputs:
        """Return the inputs alone that ``prepare`` makes, without what is shown of them."""
        return self.prepare(value, processor, device, dtype).inputs

    @abstractmethod
    def reference(self, prepared: Prepared, kind: str) -> Inputs:
        """Return the inputs of an input's reference, which carries no information."""

    @abstractmethod
    def panel(self, prepared: Prepared, layer: int) -> Panel:
        """Return how an input is shown, with the features that enter block ``layer``."""

    @abstractmethod
    def removable(self, prepared: Prepared, layer: int) -> np.ndarray:
        """Return the indices of the features that can be removed."""

    @abstractmethod
    def check_removal(self, removal: str | PictureReference, model: str = "") -> None:
        """Raise ``InputError`` unless features of ``model`` can be removed in this way."""

    @abstractmethod
    def masked(
        self, prepared: Prepared, layer: int, kept: Tensor, removal: str | PictureReference
    ) -> Inputs:
        """Return a batch of the input with only the kept features, ``(B, features)`` bool."""

    @property
    def default_removal(self) -> str:
        """How features are removed unless the user chooses."""
        return self.removals[0]

    def panel_needs_a_pass(self) -> bool:
        """Return whether the panel depends on a pass of the tower."""
        return False

    def is_lookup_table(self, module: nn.Module) -> bool:
        """Return whether a pass reads only some rows of a module's weights."""
        return False

    def check_reference(self, kind: str) -> None:
        """Raise ``InputError`` unless this tower has such a kind of reference."""
        check_choice(f"{self.name}_reference", kind, self.references)

    # What all towers share

    def blocks_below(self, layer: int) -> Sequence[nn.Module]:
        """Return the blocks below ``layer``, which a pass from there does not run."""
        above = self.blocks[layer:]
        return [block for block in self.blocks[:layer] if block not in above]

    def resolve_layer(self, layer: int) -> int:
        """Return ``layer`` counted from the first block.

        Raises
        ------
        InputError
            When it is not a whole number, or there is no such block.
        """
        count = len(self.blocks)
        if isinstance(layer, bool) or not isinstance(layer, int):
            raise InputError(
                "layer", f"is {layer!r}", "pass an integer, a pair (text, image) or None"
            )
        if not -count <= layer < count:
            raise InputError(
                "layer",
                f"is {layer}, but the {self.name} tower has {count} blocks",
                f"pass 0 to {count - 1}, or −{count} to −1 counted from the last",
            )
        return layer % count

    def embed(self, inputs: Inputs) -> Tensor:
        """Return the embedding, ``(B, K)``, not normalised."""
        with torch.no_grad():
            return self._encode(inputs, len(next(iter(inputs.values()))))

    def embed_and_count(self, inputs: Inputs) -> tuple[Tensor, int]:
        """Return the embedding, ``(B, K)``, and about how many bytes a pass holds for each input.

        They are what enters each block, and what the largest block holds while it runs.
        """
        count, current = len(next(iter(inputs.values()))), Pass()
        with torch.no_grad():
            embedding = self._encode(inputs, count, current)
        states = [each for calls in current.entered.values() for each in calls]
        entered = sum(each.numel() // count for each in states)
        largest = max((_numbers_in_block(each, count) for each in states), default=0)
        return embedding, (entered + largest) * embedding.element_size()

    def read(self, inputs: Inputs, layer: int) -> Reading:
        """Return what enters block ``layer``, and the embedding, from one pass of the tower.

        The last readings are cached.
        """
        return self._readings.get((layer, self.identify(inputs)), lambda: self._read(inputs, layer))

    @staticmethod
    def identify(inputs: Inputs) -> Hashable:
        """Return a key that equal inputs share, and different ones do not."""
        return digest_of(inputs)

    def features(self, inputs: Inputs, layer: int) -> Tensor:
        """Return the features that enter block ``layer``, ``(features, width)``."""
        return self._pack(self.read(inputs, layer).states, inputs, layer)[0]

    def split(
        self, inputs: Inputs, references: Sequence[tuple[float, Inputs]], layer: int
    ) -> Split:
        """Cut the tower at block ``layer`` for one input and its reference.

        Parameters
        ----------
        inputs
            The input.
        references
            Weights that add up to one, each with the inputs of a reference. The weighted mean
            of the states that enter the layer is what the input is compared with.
        layer
            Number of the block.
        """
        reading = self.read(inputs, layer)
        states = self.features(inputs, layer)
        reference_states = self._mean_features(references, layer)
        reference_at_last = self.read(references[0][1], layer).last
        last = self.last_block(inputs) if self.last_block else None
        at_last = layer == len(self.blocks) - 1
        above = None if at_last else last
        end = above if self._may_cut_short(above, reading, reference_at_last, inputs) else None
        start = _Start(layer, inputs, reading.states)

        def embed(features: Tensor) -> Tensor:
            self._require_start(start, reading.embedding)
            batch = self._batch(start, len(features))
            if end is not None:
                return end.embed(self._run_to_last(start, features, batch))
            return self._run_from(start, features, batch)

        return Split(
            tower_name=self.name,
            states=states,
            reference=reference_states,
            embedding=reading.embedding[0],
            embed=embed,
            last_block=last if at_last else None,
            differentiable=lambda: differentiable(self._device, half=self._half),
            weights=self._weights,
            findings=self._findings,
        )

    def embed_alone(self, inputs: Inputs, features: Sequence[int] | None = None) -> Tensor:
        """Return the embeddings of single features, as if each were pooled alone.

        The state of a feature after the last block takes the place of the states of all
        features, so that whatever pools afterwards pools that one alone.

        Parameters
        ----------
        inputs
            One input.
        features
            Indices of the features; ``None`` for all. It takes as much memory as that many inputs.

        Returns
        -------
        torch.Tensor
            ``(features, K)``.
        """
        with torch.no_grad():
            if self._pools:
                last = len(self.blocks) - 1
                states = self.read(inputs, last).states
                everywhere = self._everywhere(states, inputs, features)
                shared = self._findings.known(("shares inputs", self._stage(last)))
                batch = inputs if shared else repeat_inputs(inputs, len(everywhere))
                return self._run_from(_Start(last, inputs, states), everywhere, batch)
            key = ("output", self.identify(inputs))
            states = self._readings.get(key, lambda: self._read_output(inputs)).states
            everywhere = self._everywhere(states, inputs, features)
            current = Pass(
                replaced_output=self._unpack(everywhere, states, inputs, len(self.blocks) - 1),
                skipped=self._instrumented.skippable(self.blocks),
            )
            count = len(everywhere)
            return self._encode(repeat_inputs(inputs, count), count, current)

    # Inside

    def _pack(self, states: Tensor, inputs: Inputs, layer: int) -> Tensor:
        """Return states that enter or leave a block as ``(B, features, width)``.

        ``inputs`` is the one input, or a batch of copies of it.
        """
        return self._arrangement.pack(states, inputs)

    def _unpack(self, features: Tensor, states: Tensor, inputs: Inputs, layer: int) -> Tensor:
        """Return features in the tower's own layout, given its states for the one input."""
        return self._arrangement.unpack(features, states)

    def _stage(self, layer: int) -> int:
        """Return the number of the stage that a block is of, where states change their layout."""
        return 0

    def _mean_features(self, references: Sequence[tuple[float, Inputs]], layer: int) -> Tensor:
        """Return the weighted mean of the features that enter block ``layer``."""
        if len(references) == 1:
            return self.features(references[0][1], layer)

        def mean() -> Tensor:
            dtype = self.features(references[0][1], layer).dtype
            precise = torch.promote_types(dtype, torch.float32)
            terms = (weight * self.features(each, layer).to(precise) for weight, each in references)
            return torch.stack(list(terms)).sum(0).to(dtype)

        identity = tuple((weight, self.identify(each)) for weight, each in references)
        return self._means.get((layer, identity), mean)

    def _everywhere(self, states: Tensor, inputs: Inputs, features: Sequence[int] | None) -> Tensor:
        """Return each feature's state at all features, ``(m, features, width)``."""
        packed = self._pack(states, inputs, len(self.blocks) - 1)[0]
        chosen = packed if features is None else packed[list(features)]
        return chosen[:, None].expand(-1, len(packed), -1)

    def _read(self, inputs: Inputs, layer: int) -> Reading:
        current = Pass()
        with torch.no_grad():
            embedding = self._encode(inputs, 1, current)
        self._instrumented.require_one_call(layer, current)
        (states,) = current.entered[layer]
        last = current.entered.get(len(self.blocks) - 1)
        return Reading(states.detach(), embedding, last[0].detach() if last else None)

    def _read_output(self, inputs: Inputs) -> Reading:
        current = Pass()
        embedding = self._encode(inputs, 1, current)
        return Reading(current.left[0], embedding)

    def _require_start(self, start: _Start, embedding: Tensor) -> None:
        """Raise ``InputError`` unless the tower can be run from its own states at a layer."""

        def probe() -> Verdict:
            features = self._pack(start.states, start.inputs, start.layer)
            rest = partial(self._run_from, start)
            if can_start_at_its_states(rest, features, start.inputs, embedding):
                return Verdict(True)
            raise InputError(
                "blocks",
                f"of the {self.name} tower, run from block {start.layer} with the states that "
                "enter it, give another embedding",
                "list them first to last, where no path leads around them, and let the two "
                "functions of `arrangement` invert each other",
            )

        self._findings.once(("starts at", start.layer), probe)

    def _batch(self, start: _Start, count: int) -> Inputs:
        """Return inputs for ``count`` states: as many copies, or one where that serves them all."""

        def probe() -> Verdict:
            features = self._pack(start.states, start.inputs, start.layer).detach()
            return Verdict(shares_inputs(partial(self._run_from, start), features, start.inputs))

        key = "shares inputs", self._stage(start.layer)
        shared = count > 1 and self._findings.once(key, probe)
        return start.inputs if shared else repeat_inputs(start.inputs, count)

    def _may_cut_short(
        self,
        last: AttentionPooling | MeanPooling | None,
        reading: Reading,
        reference: Tensor | None,
        inputs: Inputs,
    ) -> TypeGuard[AttentionPooling]:
        """Return whether the last block's description may stand for it, where it is read.

        ``reference`` is what enters the last block for the reference.
        """
        if not isinstance(last, AttentionPooling) or last.positions is None:
            return False
        if reading.last is None or reference is None or self._instrumented.return_more:
            return False
        if reading.embedding.dtype in HALF:
            return False
        at_last = len(self.blocks) - 1
        begin, end = (self._pack(states, inputs, at_last) for states in (reference, reading.last))
        with torch.no_grad(), without_autocast(self._device):
            if not agree(last.embed(end), reading.embedding):
                return False
        start = _Start(at_last, inputs, reading.last)

        def block(states: Tensor) -> Tensor:
            return self._run_from(start, states, repeat_inputs(inputs, len(states)))

        def probe() -> Verdict:
            with differentiable(self._device, half=self._half):
                module, description = (
                    sample_jacobian(rest, begin[0], end[0]) for rest in (block, last.embed)
                )
            return compare_jacobians(module, description.value, description.products)

        return self._findings.once("cut short", probe)

    def _run_from(self, start: _Start, features: Tensor, inputs: Inputs) -> Tensor:
        """Run the tower on features that enter it at ``start``.

        Parameters
        ----------
        start
            Where they enter.
        features
            ``(B, features, width)``.
        inputs
            A batch of copies of the input, or one that serves all.

        Returns
        -------
        torch.Tensor
            Embeddings, ``(B, K)``.
        """
        embeddings, _ = self._pass_from(start, features, inputs, self.blocks[: start.layer])
        return embeddings

    def _run_to_last(self, start: _Start, features: Tensor, inputs: Inputs) -> Tensor:
        """Return the features that enter the last block, which does not run; as ``_run_from``."""
        last = len(self.blocks) - 1
        skipped = (*self.blocks[: start.layer], self.blocks[last])
        _, current = self._pass_from(start, features, inputs, skipped)
        return self._pack(current.entered[last][0], start.inputs, last)

    def _pass_from(
        self, start: _Start, features: Tensor, inputs: Inputs, skipped: Sequence[nn.Module]
    ) -> tuple[Tensor, Pass]:
        states = self._unpack(features, start.states, start.inputs, start.layer)
        current = Pass(
            replaced={start.layer: states},
            skipped=self._instrumented.skippable(skipped),
        )
        embeddings = self._encode(inputs, len(features), current)
        self._instrumented.require_one_call(start.layer, current)
        return embeddings, current

    def _encode(self, inputs: Inputs, count: int = 1, current: Pass | None = None) -> Tensor:
        """Run the tower; refuse what is not an embedding for each of ``count`` inputs."""
        assert self._twin is not None, "the tower is not attached"
        with (
            self._twin.lock,
            without_autocast(self._device),
            self._instrumented.following(current or Pass()),
        ):
            embedding = self._forward(inputs)
        shape = tuple(embedding.shape) if isinstance(embedding, Tensor) else ()
        if len(shape) != 2 or shape[0] != count:
            what = f"a tensor {shape}" if shape else f"a {type(embedding).__name__}"
            raise InputError(
                "encode",
                f"of the {self.name} tower returned {what}",
                f"return a tensor (B, K), one embedding for each of B = {count} inputs",
            )
        return embedding


def _numbers_in_block(states: Tensor, count: int) -> int:
    """Return about how many numbers a block holds for each of ``count`` inputs."""
    if states.ndim != 3:  # a feature map, where nothing attends to all of it
        return block_numbers(1, states.numel() // count)
    width = states.shape[-1]
    return block_numbers(states.numel() // count // width, width)


def check_choice(argument: str, value: object, choices: Sequence[str]) -> None:
    """Raise ``InputError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise InputError(argument, f"is {value!r}", f"pass {' or '.join(map(repr, choices))}")


def as_pair(sides: int | Sequence[int]) -> tuple[int, int]:
    """Return ``(height, width)`` of a size that a configuration gives as one number or two."""
    height, width = (sides, sides) if isinstance(sides, int) else sides
    return height, width
