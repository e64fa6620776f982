"""``Fingerprint``: shows whether a model's structure, settings, hooks or weights have changed.

torch counts changes of a tensor in place, but misses some: a write through
``.data`` or a numpy view, and an optimizer with ``fused=True``. So the weights
themselves are read, at about the speed of memory.
"""

import dataclasses
import functools
from collections.abc import Callable, Collection, Hashable, Iterator
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ._twin import OF_EVERY_MODULE, Key

_HOOKS = tuple(sorted(name for name in OF_EVERY_MODULE if name.startswith("_forward")))
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, type)
# Integers of eight bytes that are summed before the sum is weighted by its position.
_BLOCK = 64
# Numbers of a tensor that a sample has.
_SAMPLES = 16
# How deep containers are looked into.
_MOST_LEVELS = 4
# Of longer containers only identity and length are compared.
_MOST_ITEMS = 1000
# Set by transformers on modules to which it has added hooks that return hidden states.
_RECORDS = "_output_capturing_hooks_installed"


class Fingerprint:
    """The state of a module at one moment.

    Parameters
    ----------
    model
        The module.

    Attributes
    ----------
    outline
        Structure, settings, hooks, and the memory address of each tensor, by key.
    tensors
        The tensors by key.
    is_read
        Whether the weights have been read, so that later ones can be compared with them.
    """

    def __init__(self, model: nn.Module):
        self.outline: dict[Key, Hashable] = {}
        self.tensors: dict[Key, Tensor] = {}
        # Kept alive, since the outline holds their ids.
        self._alive: list[Any] = []
        self._seen: set[int] = set()
        self._settings: dict[int, Hashable] = {}
        self._waiting = [model]
        while self._waiting:
            self._look_at(self._waiting.pop())
        self.is_read = False
        self._digests: dict[Key, int] = {}
        self._samples: dict[Key, Hashable] = {}

    def read(self) -> None:
        """Digest all weights, to compare later ones with."""
        self._samples = self._sample_all()
        by_tensor = {id(tensor): tensor for tensor in self.tensors.values()}
        digests = {name: digest(tensor) for name, tensor in by_tensor.items()}
        self._digests = {key: digests[id(tensor)] for key, tensor in self.tensors.items()}
        self.is_read = True

    def has_same_outline(self, other: "Fingerprint", volatile: Callable[[], set[Key]]) -> bool:
        """Return whether two outlines are the same, but for results of forward passes.

        Parameters
        ----------
        other
            The fingerprint of the same module at another moment.
        volatile
            Returns the attributes that forward passes write.
        """
        if self.outline == other.outline:
            return True
        missing = object()
        different = {
            key
            for key in self.outline.keys() | other.outline.keys()
            if self.outline.get(key, missing) != other.outline.get(key, missing)
        }
        return different <= volatile()

    def weights_are_the_same(
        self, volatile: Callable[[], set[Key]], without: Collection[int] = ()
    ) -> bool:
        """Return whether all weights are as they were read, by reading them again.

        Parameters
        ----------
        volatile
            Returns the buffers that forward passes write.
        without
            Ids of modules whose weights are not compared.
        """
        samples = None if without else self._sample_all()
        digests: dict[int, int] = {}
        different: set[Key] = set()
        for key, before in self._digests.items():
            if key[0] in without:
                continue
            tensor = self.tensors[key]
            if id(tensor) not in digests:
                digests[id(tensor)] = digest(tensor)
            if digests[id(tensor)] != before:
                different.add(key)
        if different and not different <= volatile():
            return False
        if samples is not None:  # the same numbers may have been written anew
            self._samples = samples
        return True

    def weights_look_the_same(self) -> bool:
        """Return whether torch's counts and a few numbers of each weight are as they were.

        That notices every step of training at once; a single number that is changed
        through a numpy view takes ``weights_are_the_same``.
        """
        return all(_sample(self.tensors[key]) == before for key, before in self._samples.items())

    def _sample_all(self) -> dict[Key, Hashable]:
        return {key: _sample(tensor) for key, tensor in self.tensors.items()}

    def _look_at(self, module: nn.Module) -> None:
        owner = id(module)
        if owner in self._seen:
            return
        self._seen.add(owner)
        self._alive.append(module)
        state = module.__dict__
        children = list(state["_modules"].items())
        hooks = [
            (name, hook)
            for name in _HOOKS
            for hook in list(state[name].values())
            if not _only_records(hook)
        ]
        self.outline[owner, ""] = (
            type(module),
            type(module).forward,
            tuple((name, id(child)) for name, child in children),
            self._summary(hooks, 0),
        )
        self._waiting += [child for _, child in children if child is not None]
        for holder in ("_parameters", "_buffers"):
            for name, tensor in list(state[holder].items()):
                if tensor is not None:
                    self._keep(owner, name, tensor)
        for name, value in list(state.items()):
            if name not in OF_EVERY_MODULE and name != _RECORDS:
                if isinstance(value, Tensor):
                    if value.grad_fn is None:  # otherwise it is a result of a forward pass
                        self._keep(owner, name, value)
                else:
                    self.outline[owner, name] = self._summary(value, 0, owner, name)

    def _keep(self, owner: int, name: str, tensor: Tensor) -> None:
        self.tensors[owner, name] = tensor
        self.outline[owner, name] = (id(tensor), *_memory_layout(tensor))

    def _summary(self, value: Any, depth: int, owner: int = 0, name: str = "") -> Hashable:
        if isinstance(value, (*_PLAIN, _Id)):
            return value
        if isinstance(value, nn.Module):
            self._waiting.append(value)
            return id(value)
        if isinstance(value, Tensor):
            if owner:
                self.tensors[owner, f"{name}#{len(self.tensors)}"] = value
            return (id(value), *_memory_layout(value))
        if depth < _MOST_LEVELS:
            parts = self._parts(value)
            if parts is not None:
                inside = (self._summary(part, depth + 1, owner, name) for part in parts)
                return (type(value), *inside)
            if dataclasses.is_dataclass(value) or type(value).__name__.endswith("Config"):
                if id(value) not in self._settings:
                    self._settings[id(value)] = id(value)  # it may contain itself
                    settings = self._summary(getattr(value, "__dict__", {}), depth + 1, owner, name)
                    self._settings[id(value)] = settings
                return self._settings[id(value)]
        self._alive.append(value)
        return id(value)

    @staticmethod
    def _parts(value: Any) -> list[Any] | None:
        """Return the parts by which a container or callable is compared; ``None`` for others."""
        if isinstance(value, dict | list | tuple | set | frozenset):
            if len(value) > _MOST_ITEMS:
                return [_Id(value), len(value)]
            if isinstance(value, dict):
                return [part for item in list(value.items()) for part in item]
            return sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)
        if isinstance(value, MethodType):
            bound = value.__self__
            return [_Id(value.__func__), bound if isinstance(bound, nn.Module) else _Id(bound)]
        if isinstance(value, functools.partial):
            return [value.func, value.args, value.keywords]
        if isinstance(value, FunctionType) and value.__closure__:
            return [_Id(value), *_modules_in(value)]
        return None


def _only_records(hook: object) -> bool:
    """Return whether a hook is one that transformers adds to return hidden states."""
    return getattr(hook, "__module__", "") == "transformers.utils.output_capturing"


class _Id:
    """An object that is compared by identity."""

    def __init__(self, value: Any):
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Id) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def _modules_in(function: FunctionType) -> Iterator[nn.Module]:
    for cell in function.__closure__ or ():
        try:
            contents = cell.cell_contents
        except ValueError:  # still empty
            continue
        if isinstance(contents, nn.Module):
            yield contents


def _memory_layout(tensor: Tensor) -> tuple[Hashable, ...]:
    try:
        address = tensor.data_ptr()
    except RuntimeError:  # no memory of its own
        address = 0
    strides = tensor.stride() if tensor.layout == torch.strided else ()
    return address, tuple(tensor.shape), strides, tensor.dtype, tensor.device


def _version(tensor: Tensor) -> int:
    try:
        return tensor._version
    except RuntimeError:  # created in inference mode, in which changes are not counted
        return 0


def _flat(tensor: Tensor) -> Tensor:
    """Return a tensor's numbers in one dimension, without a copy if possible."""
    values = tensor.detach()
    if values.layout != torch.strided or values.is_quantized:
        return (
            values.to_dense().reshape(-1) if not values.is_quantized else values.int_repr().view(-1)
        )
    if not values.is_contiguous():
        order = sorted(range(values.ndim), key=values.stride, reverse=True)
        values = values.permute(order)
    return values.reshape(-1)


def _sample(tensor: Tensor) -> Hashable:
    flat = _flat(tensor)
    if flat.device.type == "meta" or not len(flat):
        return _version(tensor)
    values = flat[:: max(1, len(flat) // _SAMPLES)]
    return _version(tensor), bytes(values.contiguous().cpu().view(torch.uint8).numpy().data)


def digest(tensor: Tensor) -> int:
    """Return a checksum of a tensor's numbers.

    It sums the bytes as integers block by block, and weights each block by its
    position. Changing one number always changes it; so does exchanging two, unless they lie
    within half a kilobyte.
    """
    flat = _flat(tensor)
    if flat.device.type == "meta" or not len(flat):
        return 0
    if flat.device.type != "cpu":
        return _digest_on_device(flat)
    data = flat.view(torch.uint8).numpy()
    whole = len(data) // (8 * _BLOCK) * (8 * _BLOCK)
    sums = np.add.reduce(data[:whole].view(np.uint64).reshape(-1, _BLOCK), axis=1)
    total = int(sums @ _weights(len(sums)))
    rest = np.zeros(8 * _BLOCK, np.uint8)
    rest[: len(data) - whole] = data[whole:]
    words = rest.view(np.uint64)
    return (total + int(words @ _weights(len(words)))) % 2**64


def _digest_on_device(flat: Tensor) -> int:
    """Compute the same checksum on the tensor's device, from which only numbers are copied."""
    data = flat.view(torch.uint8)
    missing = -len(data) % (8 * _BLOCK)
    if missing:
        data = torch.cat([data, data.new_zeros(missing)])
    sums = data.view(torch.int64).view(-1, _BLOCK).sum(1)
    weights = torch.from_numpy(_weights(len(sums)).view(np.int64).copy()).to(sums.device)
    return int((sums * weights).sum())


@functools.lru_cache(maxsize=64)
def _weights(count: int) -> np.ndarray:
    """Return different odd numbers, the weights of the blocks."""
    odd = 2 * np.arange(count, dtype=np.uint64) + np.uint64(1)
    return odd * np.uint64(0x9E3779B97F4A7C15)
