"""Cut a tower at a layer, with the model's own forward doing all the work.

Each block of a tower is run by way of the tower, which reads the hidden states
that enter it, puts others in their place, or passes by the block. Where one
position is pooled, the last block is computed there alone, once that has given
the model's own embedding and derivative.

What a pass is to do is known to its own thread alone.
"""

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from ..progress import checkpoint
from ._cache import Recent
from ._differentiable import HALF, differentiable, plain
from ._inputs import Inputs, Panel, Prepared, repeat_inputs
from ._last_block import AttentionPooling, MeanPooling, agree, witness
from ._twin import Twin

LastBlock = Callable[[Inputs], AttentionPooling | MeanPooling | None]

# Inputs whose states are kept: references, and what was explained last.
_MOST_READINGS = 16


@dataclass
class Pass:
    """What one pass through the tower does at its blocks, by their numbers.

    Attributes
    ----------
    put
        States that take the place of what enters a block.
    put_last
        States that take the place of what leaves the last block.
    skipped
        Blocks that pass on the states that they are given.
    entered
        What entered each block that ran or was skipped, each time.
    left
        What left the last block, each time.
    """

    put: Mapping[int, Tensor] = field(default_factory=dict)
    put_last: Tensor | None = None
    skipped: frozenset[int] = frozenset()
    entered: dict[int, list[Tensor]] = field(default_factory=dict)
    left: list[Tensor] = field(default_factory=list)


class _PerThread(threading.local):
    passing: Pass | None = None


def _first(arguments: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    return arguments[0] if arguments else named[_first_name(named)]


def _first_name(named: dict[str, Any]) -> str:
    return "hidden_states" if "hidden_states" in named else next(iter(named))


def _stop_in_backward(gradient: Tensor) -> None:
    checkpoint()
    if gradient.requires_grad:  # it is differentiated once more
        gradient.register_hook(_stop_in_backward)


def _digest(inputs: Inputs) -> bytes:
    total = hashlib.blake2b(digest_size=16)
    for name, value in sorted(inputs.items()):
        values = value.detach().cpu().contiguous()
        total.update(f"{name}{values.dtype}{tuple(values.shape)}".encode())
        total.update(values.view(-1).view(torch.uint8).numpy().data)
    return total.digest()


@dataclass(frozen=True)
class Arrangement:
    """How the states inside a tower lie, where that is not ``(B, features, width)``.

    Attributes
    ----------
    pack
        The tower's own states and its inputs to ``(B, features, width)``.
    unpack
        Features ``(B, features, width)``, and the tower's own states for one
        input (for their shape, and for positions that are no features), to
        the tower's own states.
    """

    pack: Callable[[Tensor, Inputs], Tensor]
    unpack: Callable[[Tensor, Tensor], Tensor]


PLAIN = Arrangement(pack=lambda states, _: states, unpack=lambda features, _: features)


@dataclass(frozen=True)
class Reading:
    """What one input gives, as the tower has it.

    Attributes
    ----------
    states
        What enters the layer.
    embedding
        The embedding.
    last
        What enters the last block.
    """

    states: Tensor
    embedding: Tensor
    last: Tensor | None = None


@dataclass(frozen=True)
class Split:
    """A tower cut at a layer, for one input.

    Attributes
    ----------
    tower
        Its name, for messages.
    states, reference
        What enters the layer for the input and for its reference,
        ``(features, width)``.
    embedding
        The input's embedding, ``(K,)``.
    embed
        The rest of the tower: ``(B, features, width)`` to ``(B, K)``. It keeps
        the input's own mask and pooling position.
    last_block
        What the rest of the tower is, where it is one block of a known shape.
    held
        Context in which ``embed`` may be differentiated, on this thread.
    weights
        The addresses of the model's weights, which a graph holds but does not own.
    verdicts
        Whether what stands for the last block has the module's own derivative,
        by what it is: found out once.
    """

    tower: str
    states: Tensor
    reference: Tensor
    embedding: Tensor
    embed: Callable[[Tensor], Tensor]
    last_block: AttentionPooling | MeanPooling | None
    held: Callable[[], AbstractContextManager[None]]
    weights: frozenset[int]
    verdicts: dict[str, bool]


class Tower(ABC):
    """One encoder, from its inputs to the shared space.

    Each kind of input has a subclass of its own, which knows how to prepare it, what stands
    for its absence, and what a reader sees of it; see :mod:`._text` and :mod:`._image`.

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
        Describes the last block for one input, where its shape is known and
        it is as its class made it; such a block is attributed in closed form.
        See :mod:`.last_block`.
    arrangement
        How the states inside the tower lie.

    Attributes
    ----------
    argument
        What users call its input, for messages.
    references
        The kinds of reference that it has, the usual one first.
    removals
        The ways in which a feature can be removed.
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
        arrangement: Arrangement = PLAIN,
    ):
        self.name = name
        self.model = model
        self.blocks = tuple(blocks) if pooling is None else (*blocks, pooling)
        self._pools = pooling is not None
        self.last_block = last_block
        self._encoder = encode
        self._arrangement = arrangement
        self._readings: Recent[Reading] = Recent(_MOST_READINGS)
        self._twin: Twin | None = None
        self._device = torch.device("cpu")
        self._half = False
        self._weights: frozenset[int] = frozenset()
        self._here = _PerThread()
        self._gives_tuples = False
        self._gives_more = False
        self._shares_inputs: bool | None = None
        self._tried: set[int] = set()
        self._verdicts: dict[str, bool] = {}

    def attach(self, twin: Twin) -> None:
        """Run the blocks by way of this tower from now on.

        Parameters
        ----------
        twin
            Owns the modules that the tower was made of.

        Raises
        ------
        InputError
            When a block is no module of the twin's.
        """
        self._twin = twin
        weights = list(self.model.parameters())
        self._device = weights[0].device
        self._half = any(weight.dtype in HALF for weight in weights)
        self._weights = frozenset(weight.untyped_storage().data_ptr() for weight in weights)
        for number, block in enumerate(self.blocks):
            if block not in twin:
                raise InputError(
                    "blocks",
                    f"of the {self.name} tower holds a {type(block).__name__} that is no part of "
                    "`model`",
                    "make the towers of the `model` that the function is given",
                )
            twin.instrument(block, self._by_way_of_tower(number, block.forward))

    # What each kind of input does in its own way

    @abstractmethod
    def prepare(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> Prepared:
        """Turn what the user passed into this tower's inputs, or raise ``InputError``."""

    @abstractmethod
    def reference(self, prepared: Prepared, kind: str) -> Inputs:
        """Return the inputs that stand for an uninformative input like this one."""

    @abstractmethod
    def panel(self, prepared: Prepared, layer: int) -> Panel:
        """Return what a reader sees of an input, with the features that enter block ``layer``."""

    @abstractmethod
    def removable(self, prepared: Prepared, layer: int) -> np.ndarray:
        """Return the numbers of the features that can be removed."""

    @abstractmethod
    def check_removal(self, how: str, model: str = "") -> None:
        """Raise ``InputError`` unless features of ``model`` can be removed in this way."""

    @abstractmethod
    def without(self, prepared: Prepared, layer: int, kept: Tensor, how: str) -> Inputs:
        """Return a batch of inputs without some features, ``kept`` being ``(B, features)`` bool."""

    @property
    def usual_removal(self) -> str:
        """The way in which features are removed where the user names none."""
        return self.removals[0]

    def panel_needs_a_pass(self) -> bool:
        """Tell whether the tower has to run before its panel is known."""
        return False

    def looks_up(self, module: nn.Module) -> bool:
        """Tell whether a pass reads only some rows of a module's weights."""
        return False

    def check_reference(self, kind: str) -> None:
        """Raise ``InputError`` unless this tower has such a reference."""
        check_choice(f"{self.name}_reference", kind, self.references)

    # What all do alike

    def before(self, layer: int) -> Sequence[nn.Module]:
        """Return the blocks below ``layer``, which a pass from there does not run."""
        above = self.blocks[layer:]
        return [block for block in self.blocks[:layer] if block not in above]

    def resolve_layer(self, layer: int) -> int:
        """Return ``layer`` counted from the first block; refuse one that does not exist."""
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

    def read(self, inputs: Inputs, layer: int) -> Reading:
        """Return what enters block ``layer``, and the embedding, in one pass of the tower.

        What was read before comes from memory.
        """
        return self._readings.get((layer, self.identify(inputs)), lambda: self._read(inputs, layer))

    @staticmethod
    def identify(inputs: Inputs) -> Hashable:
        """Return what tells these inputs from all others."""
        return _digest(inputs)

    def features(self, inputs: Inputs, layer: int) -> Tensor:
        """Return what enters block ``layer`` feature by feature, ``(features, width)``."""
        return self._arrangement.pack(self.read(inputs, layer).states, inputs)[0]

    def split(self, inputs: Inputs, reference: Inputs, layer: int) -> Split:
        """Cut the tower at block ``layer`` for one input and its reference."""
        reading = self.read(inputs, layer)
        states = self.features(inputs, layer)
        start = self.features(reference, layer)
        before = self.read(reference, layer).last
        last = self.last_block(inputs) if self.last_block else None
        at_last = layer == len(self.blocks) - 1
        may_cut_short = not at_last and self._may_cut_short(last, reading, before, inputs)
        end = last if may_cut_short and isinstance(last, AttentionPooling) else None

        def embed(features: Tensor) -> Tensor:
            if layer not in self._tried:
                self._try_to_start_at(layer, reading, inputs)
            if self._shares_inputs is None and len(features) > 1:
                self._shares_inputs = self._try_to_share(reading.states, inputs, layer)
            return self._run_from(features, reading.states, inputs, layer, end=end)

        return Split(
            self.name,
            states,
            start,
            reading.embedding[0],
            embed,
            last if at_last else None,
            lambda: differentiable(self._device, half=self._half),
            self._weights,
            self._verdicts,
        )

    def embed_alone(self, inputs: Inputs, features: Sequence[int] | None = None) -> Tensor:
        """Return what the tower would say if it ended in one feature alone, ``(features, K)``.

        What leaves the last block at a feature takes the place of what leaves
        it everywhere, so that whatever pools afterwards pools that alone.

        Parameters
        ----------
        inputs
            One input.
        features
            Numbers of the features; ``None`` for all, which takes as much
            memory as so many inputs.
        """
        with torch.no_grad():
            if self._pools:
                last = len(self.blocks) - 1
                own = self.read(inputs, last).states
                everywhere = self._everywhere(own, inputs, features)
                return self._run_from(everywhere, own, inputs, last)
            key = ("output", self.identify(inputs))
            own = self._readings.get(key, lambda: self._read_output(inputs)).states
            everywhere = self._everywhere(own, inputs, features)
            states = self._arrangement.unpack(everywhere, own)
            passing = Pass(put_last=states, skipped=self._all_if_possible(self.blocks))
            count = len(everywhere)
            return self._encode(repeat_inputs(inputs, count), count, passing)

    # Inside

    def _everywhere(self, own: Tensor, inputs: Inputs, features: Sequence[int] | None) -> Tensor:
        states = self._arrangement.pack(own, inputs)[0]
        chosen = states if features is None else states[list(features)]
        return chosen[:, None].expand(-1, len(states), -1)

    def _read_output(self, inputs: Inputs) -> Reading:
        passing = Pass()
        embedding = self._encode(inputs, 1, passing)
        return Reading(passing.left[0], embedding)

    def _try_to_start_at(self, layer: int, reading: Reading, inputs: Inputs) -> None:
        """Refuse a tower that, given its own states at ``layer``, ends elsewhere."""
        states = self._arrangement.pack(reading.states, inputs)
        with torch.no_grad():
            again = self._run_from(states, reading.states, inputs, layer, shared=False)
        tolerance = 5e-2 if again.dtype in HALF else 1e-3
        if bool((again - reading.embedding).norm() > tolerance * reading.embedding.norm()):
            raise InputError(
                "blocks",
                f"of the {self.name} tower, run from block {layer} with the states that enter it, "
                "give another embedding",
                "list them first to last, where no path leads around them, and let `arrangement` "
                "undo what it does",
            )
        self._tried.add(layer)

    def _try_to_share(self, own: Tensor, inputs: Inputs, layer: int) -> bool:
        """Find out whether one copy of the inputs serves a batch of states.

        Then what lies below the blocks, such as the patch embedding, runs once
        and not once for each node.
        """
        features = self._arrangement.pack(own, inputs).detach()
        both = torch.cat([features, features / 2])
        try:
            with torch.no_grad():
                expected = self._run_from(both, own, inputs, layer, shared=False)
                shared = self._run_from(both, own, inputs, layer, shared=True)
        except (RuntimeError, IndexError, InputError):
            return False
        return bool((shared - expected).norm() <= 1e-3 * expected.norm())

    def _read(self, inputs: Inputs, layer: int) -> Reading:
        passing = Pass()
        with torch.no_grad():
            embedding = self._encode(inputs, 1, passing)
        entered = passing.entered.get(layer, [])
        self._require_once(layer, len(entered))
        last = passing.entered.get(len(self.blocks) - 1)
        return Reading(entered[0].detach(), embedding, last[0].detach() if last else None)

    def _may_cut_short(
        self,
        last: AttentionPooling | MeanPooling | None,
        reading: Reading,
        before: Tensor | None,
        inputs: Inputs,
    ) -> bool:
        """Tell whether the last block's description may stand for it, at its one position.

        ``before`` is what enters the last block for the reference.
        """
        if not isinstance(last, AttentionPooling) or last.position is None:
            return False
        if reading.last is None or before is None or self._gives_more:
            return False
        if reading.embedding.dtype in HALF:
            return False
        own = reading.last
        start, end = (self._arrangement.pack(states, inputs) for states in (before, own))
        with torch.no_grad(), plain(self._device):
            if not agree(last.embed(end), reading.embedding):
                return False
        if "cut short" in self._verdicts:
            return self._verdicts["cut short"]

        def block(states: Tensor) -> Tensor:
            return self._run_from(states, own, inputs, len(self.blocks) - 1, shared=False)

        with differentiable(self._device, half=self._half):
            theirs, ours = (witness(rest, start[0], end[0]) for rest in (block, last.embed))
        right = theirs.confirms(ours.value, ours.products)
        if theirs.conclusive:
            self._verdicts["cut short"] = right
        return right

    def _run_from(
        self,
        features: Tensor,
        own: Tensor,
        inputs: Inputs,
        layer: int,
        shared: bool | None = None,
        end: AttentionPooling | None = None,
    ) -> Tensor:
        """Run the tower from block ``layer``; ``end`` stands for the last block, if given."""
        count, last = len(features), len(self.blocks) - 1
        share = self._shares_inputs if shared is None else shared
        skipped = (*self.blocks[:layer], *(self.blocks[-1:] if end else ()))
        passing = Pass(
            put={layer: self._arrangement.unpack(features, own)},
            skipped=self._all_if_possible(skipped),
        )
        embedding = self._encode(inputs if share else repeat_inputs(inputs, count), count, passing)
        self._require_once(layer, len(passing.entered.get(layer, ())))
        if end is None:
            return embedding
        return end.embed(self._arrangement.pack(passing.entered[last][0], inputs))

    def _encode(self, inputs: Inputs, count: int = 1, passing: Pass | None = None) -> Tensor:
        """Run the tower; refuse what is not an embedding for each of ``count`` inputs."""
        assert self._twin is not None, "the tower is not attached"
        with self._twin.lock, plain(self._device):
            self._here.passing = passing or Pass()
            try:
                embedding = self._encoder(inputs)
            finally:
                self._here.passing = None
        shape = tuple(embedding.shape) if isinstance(embedding, Tensor) else ()
        if len(shape) != 2 or shape[0] != count:
            what = f"a tensor {shape}" if shape else f"a {type(embedding).__name__}"
            raise InputError(
                "encode",
                f"of the {self.name} tower returned {what}",
                f"it has to return a tensor (B, K), one embedding for each of B = {count} inputs",
            )
        return embedding

    def _require_once(self, layer: int, times: int) -> None:
        if times != 1:
            raise InputError(
                "blocks",
                f"of the {self.name} tower has a block {layer} that `encode` runs {times} times",
                "list the modules that it runs once each, first to last",
            )

    def _by_way_of_tower(self, number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes the place of a block's own forward."""

        def run(*arguments: Any, **named: Any) -> Any:
            passing = self._here.passing
            if passing is None:  # run by itself, as a part of a description
                return forward(*arguments, **named)
            checkpoint()
            states = _first(arguments, named)
            passing.entered.setdefault(number, []).append(states)
            if number in passing.put:
                states = passing.put[number]
                if arguments:
                    arguments = (states, *arguments[1:])
                else:
                    named = {**named, _first_name(named): states}
            if number in passing.skipped:
                output: Any = (states,) if self._gives_tuples else states
            else:
                if states.requires_grad:
                    states.register_hook(_stop_in_backward)
                output = forward(*arguments, **named)
            if number == 0 and 0 not in passing.skipped:
                self._gives_tuples = isinstance(output, tuple)
                self._gives_more = self._gives_tuples and len(output) > 1
            return self._leave(output, passing) if number == len(self.blocks) - 1 else output

        run.in_place_of = forward  # type: ignore[attr-defined]
        return run

    @staticmethod
    def _leave(output: Any, passing: Pass) -> Any:
        passing.left.append(output[0] if isinstance(output, tuple) else output)
        if passing.put_last is None:
            return output
        put = passing.put_last
        return (put, *output[1:]) if isinstance(output, tuple) else put

    def _all_if_possible(self, blocks: Sequence[nn.Module]) -> frozenset[int]:
        """Return the numbers of blocks to skip.

        None if they give more than their states, which may be needed above.
        """
        skipped = () if self._gives_more else blocks
        return frozenset(n for n, block in enumerate(self.blocks) if block in skipped)


def check_choice(argument: str, value: str, choices: Sequence[str]) -> None:
    """Raise ``InputError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise InputError(argument, f"is {value!r}", f"pass {' or '.join(map(repr, choices))}")


def as_pair(sides: int | Sequence[int]) -> tuple[int, int]:
    """Return ``(height, width)`` of what a configuration gives as one side or as both."""
    height, width = (sides, sides) if isinstance(sides, int) else sides
    return height, width
