"""Cut a tower at a layer, with the model's own forward doing all the work.

A hook reads the hidden states that enter the layer; another puts other states
in their place. Nothing of a model is written again here, so nothing can differ.
"""

import hashlib
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import InputError
from .last_block import AttentionPooling, Inputs, MeanPooling
from .recent import Recent

LastBlock = Callable[[Inputs], AttentionPooling | MeanPooling]

# Hooks are seen by every thread that runs a model, so one thread at a time does.
_LOCKS: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()
# torch's choice of attention kernel is one switch for the whole process.
_KERNEL_LOCK = threading.RLock()

# Inputs whose states are kept: references, and what was explained last.
_MOST_READINGS = 16


def _model_lock(model: nn.Module) -> threading.RLock:
    """Return the lock of ``model``, the same for everyone who asks."""
    with _LOCKS_GUARD:
        return _LOCKS.setdefault(model, threading.RLock())


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Hold the model in evaluation mode with constant weights; then put it back as it was."""
    with _model_lock(model):
        training = [module for module in model.modules() if module.training]
        learning = [weight for weight in model.parameters() if weight.requires_grad]
        try:
            for module in training:
                module.training = False
            for weight in learning:
                weight.requires_grad_(False)
            yield
        finally:
            for module in training:
                module.training = True
            for weight in learning:
                weight.requires_grad_(True)


@contextmanager
def _differentiable(model: nn.Module) -> Iterator[None]:
    """Hold the model, and use attention kernels that have a forward-mode derivative.

    Flash and memory-efficient attention have none, nor has the fast path of
    ``nn.MultiheadAttention``.
    """
    with _undisturbed(model), _KERNEL_LOCK:
        fast_path = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with sdpa_kernel(SDPBackend.MATH):
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)


def _first(arguments: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    return arguments[0] if arguments else named["hidden_states"]


def _condition(model: nn.Module) -> int:
    """Return a number that changes when a weight or a hook of the model does."""

    def version(tensor: Tensor) -> int:
        try:
            return tensor._version
        except RuntimeError:  # made in inference mode, and so never changed in place
            return 0

    weights = [(w.data_ptr(), version(w)) for w in chain(model.parameters(), model.buffers())]
    hooks = [
        (*module._forward_pre_hooks, *module._forward_hooks)
        for module in model.modules()
        if module._forward_pre_hooks or module._forward_hooks
    ]
    return hash((tuple(weights), tuple(hooks)))


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
    """What one input gives: states at a layer, as the tower has them, and the embedding."""

    states: Tensor
    embedding: Tensor


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
    blocks
        How many blocks the rest of the tower has.
    last_block
        What the rest of the tower is, where it is one block of a known shape.
    held
        Context in which ``embed`` may be differentiated: the model is locked,
        in evaluation mode, its weights constant.
    weights
        Addresses of the model's weights, which a graph holds but does not own.
    """

    tower: str
    states: Tensor
    reference: Tensor
    embedding: Tensor
    embed: Callable[[Tensor], Tensor]
    blocks: int
    last_block: AttentionPooling | MeanPooling | None
    held: Callable[[], AbstractContextManager[None]]
    weights: frozenset[int]


class Tower:
    """One encoder, from its inputs to the shared space.

    Parameters
    ----------
    name
        ``"text"`` or ``"image"``, for messages.
    model
        The module that owns the tower; it is locked while the tower runs.
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
        Describes the last block for one input, where its shape is known; such
        a block is attributed in closed form. See :mod:`.last_block`.
    arrangement
        How the states inside the tower lie.
    """

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
        self._encode = encode
        self._arrangement = arrangement
        self._readings: Recent[Reading] = Recent(_MOST_READINGS)
        self._gives_tuples = False
        self._shares_inputs: bool | None = None

    def resolve_layer(self, layer: int) -> int:
        """Return ``layer`` counted from the first block; refuse one that does not exist."""
        count = len(self.blocks)
        if isinstance(layer, bool) or not isinstance(layer, int):
            raise InputError(
                f"`layer` is {layer!r}: pass an integer, a pair (text, image) or None."
            )
        if not -count <= layer < count:
            raise InputError(
                f"`layer` is {layer}, but the {self.name} tower has {count} blocks: "
                f"pass 0 to {count - 1}, or −{count} to −1 counted from the last."
            )
        return layer % count

    def embed(self, inputs: Inputs) -> Tensor:
        """Return the embedding, ``(B, K)``, not normalised."""
        with _undisturbed(self.model), torch.no_grad():
            return self._encode(inputs)

    def read(self, inputs: Inputs, layer: int) -> Reading:
        """Return what enters block ``layer``, and the embedding, in one pass of the tower.

        What was read before comes from memory, as long as no weight or hook of
        the model has changed.
        """
        with _undisturbed(self.model):
            key = (layer, self.identify(inputs))
            return self._readings.get(key, lambda: self._read(inputs, layer))

    def identify(self, inputs: Inputs) -> Hashable:
        """Return what tells these inputs, to the model as it is now, from all others."""
        return _digest(inputs), _condition(self.model)

    def features(self, inputs: Inputs, layer: int) -> Tensor:
        """Return what enters block ``layer`` feature by feature, ``(features, width)``."""
        return self._arrangement.pack(self.read(inputs, layer).states, inputs)[0]

    def split(self, inputs: Inputs, reference: Inputs, layer: int) -> Split:
        """Cut the tower at block ``layer`` for one input and its reference."""
        with _undisturbed(self.model):
            reading = self.read(inputs, layer)
            states = self.features(inputs, layer)
            start = self.features(reference, layer)

            def embed(features: Tensor) -> Tensor:
                if self._shares_inputs is None:
                    self._shares_inputs = self._try_to_share(reading.states, inputs, layer)
                return self._run_from(features, reading.states, inputs, layer)

            last = self.last_block if layer == len(self.blocks) - 1 else None
            return Split(
                self.name,
                states,
                start,
                reading.embedding[0],
                embed,
                len(self.blocks) - layer,
                last(inputs) if last else None,
                lambda: _differentiable(self.model),
                frozenset(w.untyped_storage().data_ptr() for w in self.model.parameters()),
            )

    def embed_alone(self, inputs: Inputs) -> Tensor:
        """Return what the tower would say if it ended in one feature alone, ``(features, K)``.

        What leaves the last block at a feature takes the place of what leaves
        it everywhere, so that whatever pools afterwards pools that alone.
        """
        with _undisturbed(self.model), torch.no_grad():
            if self._pools:
                last = len(self.blocks) - 1
                own = self.read(inputs, last).states
                everywhere = self._everywhere(own, inputs)
                return self._run_from(everywhere, own, inputs, last)
            own = self._last_output(inputs)
            states = self._arrangement.unpack(self._everywhere(own, inputs), own)

            def put(_module: nn.Module, _arguments: tuple, output: Any) -> Any:
                return (states, *output[1:]) if isinstance(output, tuple) else states

            hook = self.blocks[-1].register_forward_hook(put)
            try:
                return self._encode(_repeat(inputs, self._arrangement.pack(own, inputs).shape[1]))
            finally:
                hook.remove()

    # Inside

    def _everywhere(self, own: Tensor, inputs: Inputs) -> Tensor:
        features = self._arrangement.pack(own, inputs)[0]
        return features[:, None].expand(-1, len(features), -1)

    def _last_output(self, inputs: Inputs) -> Tensor:
        left: list[Tensor] = []

        def keep(_module: nn.Module, _arguments: tuple, output: Any) -> None:
            left.append(output[0] if isinstance(output, tuple) else output)

        hook = self.blocks[-1].register_forward_hook(keep)
        try:
            self._encode(inputs)
        finally:
            hook.remove()
        return left[0]

    def _try_to_share(self, own: Tensor, inputs: Inputs, layer: int) -> bool:
        """Find out whether one copy of the inputs serves a batch of states.

        Then what lies below the blocks, such as the patch embedding, runs once
        and not once for each node.
        """
        features = self._arrangement.pack(own, inputs).detach()
        both = torch.cat([features, features / 2])
        with torch.no_grad():
            expected = self._run_from(both, own, inputs, layer, shared=False)
            try:
                shared = self._run_from(both, own, inputs, layer, shared=True)
            except RuntimeError:
                return False
        return bool((shared - expected).norm() <= 1e-3 * expected.norm())

    def _read(self, inputs: Inputs, layer: int) -> Reading:
        read: list[Tensor] = []

        def keep(_module: nn.Module, arguments: tuple, named: dict) -> None:
            read.append(_first(arguments, named).detach())

        def look(_module: nn.Module, _arguments: tuple, output: Any) -> None:
            self._gives_tuples = isinstance(output, tuple)

        with torch.no_grad():
            hooks = [
                self.blocks[layer].register_forward_pre_hook(keep, with_kwargs=True),
                self.blocks[0].register_forward_hook(look),
            ]
            try:
                embedding = self._encode(inputs)
            finally:
                for hook in hooks:
                    hook.remove()
        if len(read) != 1:
            raise RuntimeError(
                f"block {layer} of the {self.name} tower ran {len(read)} times, not once"
            )
        return Reading(read[0], embedding)

    def _run_from(
        self,
        features: Tensor,
        own: Tensor,
        inputs: Inputs,
        layer: int,
        shared: bool | None = None,
    ) -> Tensor:
        count = len(features)
        share = self._shares_inputs if shared is None else shared
        states = self._arrangement.unpack(features, own)
        replaced = 0

        def put(_module: nn.Module, arguments: tuple, named: dict) -> tuple[tuple, dict]:
            nonlocal replaced
            replaced += 1
            if arguments:
                return (states, *arguments[1:]), named
            return arguments, {**named, "hidden_states": states}

        def skip(*arguments: Any, **named: Any) -> Any:
            below = _first(arguments, named)
            return (below,) if self._gives_tuples else below

        with _undisturbed(self.model):
            below = [(block, block.__dict__.get("forward")) for block in self.blocks[:layer]]
            hook = self.blocks[layer].register_forward_pre_hook(put, with_kwargs=True)
            try:
                for block, _ in below:
                    block.forward = skip
                embedding = self._encode(inputs if share else _repeat(inputs, count))
            finally:
                hook.remove()
                for block, forward in below:
                    if forward is None:
                        block.__dict__.pop("forward", None)
                    else:
                        block.forward = forward
        if replaced != 1 or embedding.shape[:1] != (count,):
            raise RuntimeError(
                f"the {self.name} tower did not run block {layer} exactly once for each input"
            )
        return embedding


def _repeat(inputs: Inputs, count: int) -> Inputs:
    return {name: value.expand(count, *value.shape[1:]) for name, value in inputs.items()}
