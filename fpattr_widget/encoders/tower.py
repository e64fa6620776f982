"""Cut a tower at a layer, with the model's own forward doing all the work.

A hook reads the hidden states that enter the layer; another puts other states
in their place. Nothing of a model is written again here, so nothing can differ.
"""

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import InputError

Inputs = Mapping[str, Tensor]

# Hooks are seen by every thread that runs a model, so one thread at a time does.
_LOCKS: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()
# torch's choice of attention kernel is one switch for the whole process.
_KERNEL_LOCK = threading.RLock()


class _ReadError(Exception):
    """No error: raised to stop a forward pass once the states have been read."""


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


@dataclass(frozen=True)
class Split:
    """A tower cut at a layer, for one input.

    Attributes
    ----------
    states, reference
        What enters the layer for the input and for its reference,
        ``(positions, width)``.
    embed
        The rest of the tower: ``(B, positions, width)`` to ``(B, K)``. It keeps
        the input's own mask and pooling position.
    blocks
        How many blocks the rest of the tower has.
    held
        Context in which ``embed`` may be differentiated: the model is locked,
        in evaluation mode, its weights constant.
    """

    states: Tensor
    reference: Tensor
    embed: Callable[[Tensor], Tensor]
    blocks: int
    held: Callable[[], AbstractContextManager[None]]


class Tower:
    """One encoder, from its inputs to the shared space.

    Parameters
    ----------
    name
        ``"text"`` or ``"image"``, for messages.
    model
        The module that owns the tower; it is locked while the tower runs.
    blocks
        The tower's blocks, first to last.
    encode
        Runs the tower on its inputs; returns ``(B, K)``, projection included.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        blocks: nn.ModuleList,
        encode: Callable[[Inputs], Tensor],
    ):
        self.name = name
        self.model = model
        self.blocks = blocks
        self._encode = encode

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

    def states(self, inputs: Inputs, layer: int) -> Tensor:
        """Return what enters block ``layer``, ``(B, positions, width)``."""
        read: list[Tensor] = []

        def stop(_module: nn.Module, arguments: tuple, named: dict) -> None:
            read.append(_first(arguments, named).detach())
            raise _ReadError

        with _undisturbed(self.model), torch.no_grad():
            hook = self.blocks[layer].register_forward_pre_hook(stop, with_kwargs=True)
            try:
                self._encode(inputs)
            except _ReadError:
                pass
            finally:
                hook.remove()
        if len(read) != 1:
            raise RuntimeError(f"block {layer} of the {self.name} tower was never run")
        return read[0]

    def split(self, inputs: Inputs, reference: Inputs, layer: int) -> Split:
        """Cut the tower at block ``layer`` for one input and its reference."""

        def embed(states: Tensor) -> Tensor:
            return self._run_from(states, inputs, layer)

        return Split(
            self.states(inputs, layer)[0],
            self.states(reference, layer)[0],
            embed,
            len(self.blocks) - layer,
            lambda: _differentiable(self.model),
        )

    def _run_from(self, states: Tensor, inputs: Inputs, layer: int) -> Tensor:
        count = len(states)
        replaced = 0

        def put(_module: nn.Module, arguments: tuple, named: dict) -> tuple[tuple, dict]:
            nonlocal replaced
            replaced += 1
            if arguments:
                return (states, *arguments[1:]), named
            return arguments, {**named, "hidden_states": states}

        def skip(*arguments: Any, **named: Any) -> Tensor:
            return _first(arguments, named)

        batch = {key: value.expand(count, *value.shape[1:]) for key, value in inputs.items()}
        with _undisturbed(self.model):
            below = [(block, block.__dict__.get("forward")) for block in self.blocks[:layer]]
            hook = self.blocks[layer].register_forward_pre_hook(put, with_kwargs=True)
            try:
                for block, _ in below:
                    block.forward = skip
                embedding = self._encode(batch)
            finally:
                hook.remove()
                for block, own in below:
                    if own is None:
                        block.__dict__.pop("forward", None)
                    else:
                        block.forward = own
        if replaced != 1 or embedding.shape[:1] != (count,):
            raise RuntimeError(
                f"the {self.name} tower did not run block {layer} exactly once for each input"
            )
        return embedding
