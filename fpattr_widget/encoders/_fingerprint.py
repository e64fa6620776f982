"""What tells a model from itself after a change: structure, settings, hooks and weights.

torch counts changes of a tensor in place, but not all: a write through
``.data`` or a numpy view and an optimizer with ``fused=True`` leave the count
as it is. So the weights themselves are read, at about the speed of memory.
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
# Integers of eight bytes that are summed before they are weighed by their place.
_BLOCK = 64
# Numbers of a tensor that a glance looks at.
_SAMPLES = 16
_DEEPEST = 4
# Longer lists are looked at from outside.
_LONGEST = 1000
# Set by transformers where it has added hooks that hand out hidden states.
_RECORDS = "_output_capturing_hooks_installed"


class Fingerprint:
    """How a module is at one moment.

    Parameters
    ----------
    model
        The module.

    Attributes
    ----------
    outline
        Structure, settings, hooks, and where each tensor lies, by key.
    is_read
        Whether the weights have been read, so that they can be compared.
    """

    def __init__(self, model: nn.Module):
        self.outline: dict[Key, Hashable] = {}
        self.tensors: dict[Key, Tensor] = {}
        # Their ids stand in the outline, so they must not be given to others.
        self._alive: list[Any] = []
        self._seen: set[int] = set()
        self._settings: dict[int, Hashable] = {}
        self._waiting = [model]
        while self._waiting:
            self._look_at(self._waiting.pop())
        self.is_read = False
        self._digests: dict[Key, int] = {}
        self._glances: dict[Key, Hashable] = {}

    def read(self) -> None:
        """Read all weights, to compare with later."""
        self._glances = self._glance_at_all()
        by_tensor = {id(tensor): tensor for tensor in self.tensors.values()}
        digests = {name: digest(tensor) for name, tensor in by_tensor.items()}
        self._digests = {key: digests[id(tensor)] for key, tensor in self.tensors.items()}
        self.is_read = True

    def has_same_outline(self, other: "Fingerprint", volatile: Callable[[], set[Key]]) -> bool:
        """Tell whether nothing but results of forward passes differs from another's outline.

        Parameters
        ----------
        other
            Of the same module at another moment.
        volatile
            Returns the attributes that forward passes write themselves.
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
        """Tell whether all weights still are as they were read, by reading them again.

        Parameters
        ----------
        volatile
            Returns the buffers that forward passes write themselves.
        without
            Ids of modules whose weights do not matter.
        """
        glances = None if without else self._glance_at_all()
        known: dict[int, int] = {}
        different: set[Key] = set()
        for key, before in self._digests.items():
            if key[0] in without:
                continue
            tensor = self.tensors[key]
            if id(tensor) not in known:
                known[id(tensor)] = digest(tensor)
            if known[id(tensor)] != before:
                different.add(key)
        if different and not different <= volatile():
            return False
        if glances is not None:  # of the same numbers, perhaps written anew
            self._glances = glances
        return True

    def weights_look_the_same(self) -> bool:
        """Tell whether torch's counts and a few numbers of each weight are as they were.

        Notices every step of training at once; a single number that is changed
        through a numpy view is for ``weights_are_the_same``.
        """
        return all(_glance(self.tensors[key]) == before for key, before in self._glances.items())

    def _glance_at_all(self) -> dict[Key, Hashable]:
        return {key: _glance(tensor) for key, tensor in self.tensors.items()}

    def _look_at(self, module: nn.Module) -> None:
        own = id(module)
        if own in self._seen:
            return
        self._seen.add(own)
        self._alive.append(module)
        state = module.__dict__
        children = list(state["_modules"].items())
        hooks = [
            (name, hook)
            for name in _HOOKS
            for hook in list(state[name].values())
            if not _only_records(hook)
        ]
        self.outline[own, ""] = (
            type(module),
            type(module).forward,
            tuple((name, id(child)) for name, child in children),
            self._summary(hooks, 0),
        )
        self._waiting += [child for _, child in children if child is not None]
        for holder in ("_parameters", "_buffers"):
            for name, tensor in list(state[holder].items()):
                if tensor is not None:
                    self._keep(own, name, tensor)
        for name, value in list(state.items()):
            if name not in OF_EVERY_MODULE and name != _RECORDS:
                if isinstance(value, Tensor):
                    if value.grad_fn is None:  # else a result of some forward pass
                        self._keep(own, name, value)
                else:
                    self.outline[own, name] = self._summary(value, 0, own, name)

    def _keep(self, own: int, name: str, tensor: Tensor) -> None:
        self.tensors[own, name] = tensor
        self.outline[own, name] = (id(tensor), *_place(tensor))

    def _summary(self, value: Any, depth: int, own: int = 0, name: str = "") -> Hashable:
        if isinstance(value, (*_PLAIN, _Id)):
            return value
        if isinstance(value, nn.Module):
            self._waiting.append(value)
            return id(value)
        if isinstance(value, Tensor):
            if own:
                self.tensors[own, f"{name}#{len(self.tensors)}"] = value
            return (id(value), *_place(value))
        if depth < _DEEPEST:
            parts = self._parts(value)
            if parts is not None:
                inside = (self._summary(part, depth + 1, own, name) for part in parts)
                return (type(value), *inside)
            if dataclasses.is_dataclass(value) or type(value).__name__.endswith("Config"):
                if id(value) not in self._settings:
                    self._settings[id(value)] = id(value)  # for what holds itself
                    settings = self._summary(getattr(value, "__dict__", {}), depth + 1, own, name)
                    self._settings[id(value)] = settings
                return self._settings[id(value)]
        self._alive.append(value)
        return id(value)

    @staticmethod
    def _parts(value: Any) -> list[Any] | None:
        if isinstance(value, dict | list | tuple | set | frozenset):
            if len(value) > _LONGEST:
                return [_Id(value), len(value)]
            if isinstance(value, dict):
                return [part for item in list(value.items()) for part in item]
            return sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)
        if isinstance(value, MethodType):
            owner = value.__self__
            return [_Id(value.__func__), owner if isinstance(owner, nn.Module) else _Id(owner)]
        if isinstance(value, functools.partial):
            return [value.func, value.args, value.keywords]
        if isinstance(value, FunctionType) and value.__closure__:
            return [_Id(value), *_modules_in(value)]
        return None


def _only_records(hook: object) -> bool:
    """Tell whether a hook is one that transformers adds to hand out hidden states."""
    return getattr(hook, "__module__", "") == "transformers.utils.output_capturing"


class _Id:
    """Something of which the identity alone counts."""

    def __init__(self, value: Any):
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Id) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def _modules_in(function: FunctionType) -> Iterator[nn.Module]:
    for cell in function.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        if isinstance(held, nn.Module):
            yield held


def _place(tensor: Tensor) -> tuple[Hashable, ...]:
    try:
        address = tensor.data_ptr()
    except RuntimeError:  # no memory of its own
        address = 0
    strides = tensor.stride() if tensor.layout == torch.strided else ()
    return address, tuple(tensor.shape), strides, tensor.dtype, tensor.device


def _version(tensor: Tensor) -> int:
    try:
        return tensor._version
    except RuntimeError:  # made in inference mode, whose changes are not counted
        return 0


def _flat(tensor: Tensor) -> Tensor:
    """Return a tensor's numbers in a row, without a copy where that can be."""
    plain = tensor.detach()
    if plain.layout != torch.strided or plain.is_quantized:
        return plain.to_dense().reshape(-1) if not plain.is_quantized else plain.int_repr().view(-1)
    if not plain.is_contiguous():
        order = sorted(range(plain.ndim), key=plain.stride, reverse=True)
        plain = plain.permute(order)
    return plain.reshape(-1)


def _glance(tensor: Tensor) -> Hashable:
    flat = _flat(tensor)
    if flat.device.type == "meta" or not len(flat):
        return _version(tensor)
    some = flat[:: max(1, len(flat) // _SAMPLES)]
    return _version(tensor), bytes(some.contiguous().cpu().view(torch.uint8).numpy().data)


def digest(tensor: Tensor) -> int:
    """Return a number that changes when any number of a tensor does.

    The sum of its bytes as integers, block by block, each block weighed by its
    place: one number that is changed always shows, two that change places show
    unless they lie within half a kilobyte.
    """
    flat = _flat(tensor)
    if flat.device.type == "meta" or not len(flat):
        return 0
    if flat.device.type != "cpu":
        return _digest_elsewhere(flat)
    data = flat.view(torch.uint8).numpy()
    whole = len(data) // (8 * _BLOCK) * (8 * _BLOCK)
    sums = np.add.reduce(data[:whole].view(np.uint64).reshape(-1, _BLOCK), axis=1)
    total = int(sums @ _weights(len(sums)))
    rest = np.zeros(8 * _BLOCK, np.uint8)
    rest[: len(data) - whole] = data[whole:]
    words = rest.view(np.uint64)
    return (total + int(words @ _weights(len(words)))) % 2**64


def _digest_elsewhere(flat: Tensor) -> int:
    """Do the same on another device, of which two numbers come back."""
    data = flat.view(torch.uint8)
    missing = -len(data) % (8 * _BLOCK)
    if missing:
        data = torch.cat([data, data.new_zeros(missing)])
    sums = data.view(torch.int64).view(-1, _BLOCK).sum(1)
    weights = torch.from_numpy(_weights(len(sums)).view(np.int64).copy()).to(sums.device)
    return int((sums * weights).sum())


@functools.lru_cache(maxsize=64)
def _weights(count: int) -> np.ndarray:
    """Return odd numbers, all different, by which blocks are weighed."""
    odd = 2 * np.arange(count, dtype=np.uint64) + np.uint64(1)
    return odd * np.uint64(0x9E3779B97F4A7C15)
