"""``Twin``: a copy of a module's objects that shares its weights, to be instrumented freely.

Changes to a twin, such as an instrumented block, do not affect the user's module.
A twin's parameters are other tensors on the module's
storage: they take no memory, changes of weights in place are seen,
and no gradient can reach the user's. A twin is always in evaluation mode. What a pass
may write into, such as buffers and lists, is copied, and a new twin is made when the
user's change.
"""

import copy
import functools
import threading
from collections.abc import Callable, Hashable
from types import CellType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

_FORWARD_HOOKS = frozenset(name for name in nn.Module().__dict__ if name.startswith("_forward"))
#: The id of the module that owns an attribute, and the attribute's name.
Key = tuple[int, str]
# Bytes of buffers that are copied; larger ones are tables, into which nothing is written.
_MOST_COPIED = 16 * 2**20
#: Names in every module's ``__dict__``; all others are attributes of a class's own.
OF_EVERY_MODULE = frozenset(nn.Module().__dict__)


class Twin:
    """A twin of a module.

    Attributes
    ----------
    module
        A module of the same class as the user's.
    lock
        Held while it runs, since modules may write into themselves.
        A thread that holds it takes no other lock.
    """

    def __init__(self, model: nn.Module):
        self._copies: dict[int, Any] = {}
        self._sources: dict[nn.Module, nn.Module] = {}
        self._made: dict[nn.Module, dict[str, Any]] = {}
        self._buffers: dict[Key, tuple[Tensor, Tensor]] = {}
        self._copied = 0
        self.lock = threading.RLock()
        self.module: Any = self._module(model)

    def __contains__(self, module: nn.Module) -> bool:
        """Return whether a module is part of the twin."""
        return module in self._sources

    def source(self, module: nn.Module) -> nn.Module:
        """Return the user's module of which a module is the twin."""
        return self._sources[module]

    def overwritten(self) -> set[Key]:
        """Return the attributes and buffers that the twin's passes have written.

        They are results of a forward pass, such as a count of calls or the last
        attention map, and not settings of the model.
        """
        attributes = {
            (id(self._sources[module]), name)
            for module, made in self._made.items()
            for name, value in list(module.__dict__.items())
            if name not in OF_EVERY_MODULE and made.get(name, _MISSING) != _identity(value)
        }
        return attributes | {
            key for key, (now, made) in self._buffers.items() if not torch.equal(now, made)
        }

    def instrument(self, module: nn.Module, forward: Callable[..., Any]) -> None:
        """Replace the ``forward`` of a module of the twin."""
        module.__dict__["forward"] = forward
        self._made[module]["forward"] = _identity(forward)

    def _module(self, module: nn.Module) -> nn.Module:
        existing = self._copies.get(id(module))
        if existing is not None:
            return existing
        twin = object.__new__(type(module))
        self._copies[id(module)] = twin
        fresh = nn.Module().__dict__
        state: dict[str, Any] = {}
        twin.__dict__ = state
        for name, value in list(module.__dict__.items()):
            if name == "_parameters":
                state[name] = {
                    key: None if tensor is None else self._tensor(tensor)
                    for key, tensor in list(value.items())
                }
            elif name == "_buffers":
                state[name] = {
                    key: None if tensor is None else self._buffer((id(module), key), tensor)
                    for key, tensor in list(value.items())
                }
            elif name == "_modules":
                state[name] = {
                    key: None if child is None else self._module(child)
                    for key, child in list(value.items())
                }
            elif name in OF_EVERY_MODULE:
                # Backward hooks are left out: they would see the package's own passes.
                state[name] = fresh[name]
                if name in _FORWARD_HOOKS:
                    state[name].update(
                        (key, self._value(hook)) for key, hook in list(value.items())
                    )
            elif name != "_compiled_call_impl":  # it would run the user's compiled module
                state[name] = self._value(value)
        state["training"] = False
        self._sources[twin] = module
        self._made[twin] = {name: _identity(value) for name, value in state.items()}
        return twin

    def _buffer(self, key: Key, buffer: Tensor) -> Tensor:
        """Return a copy of a small buffer, into which a pass may write; share a large one."""
        size = buffer.numel() * buffer.element_size()
        if id(buffer) in self._copies or self._copied + size > _MOST_COPIED:
            return self._tensor(buffer)
        self._copied += size
        twin = buffer.detach().clone()
        self._copies[id(buffer)] = twin
        self._buffers[key] = twin, twin.clone()
        return twin

    def _tensor(self, tensor: Tensor) -> Tensor:
        existing = self._copies.get(id(tensor))
        if existing is not None:
            return existing
        # Not detach(), which shares the count of changes in place.
        twin = tensor.data
        if tensor.is_inference():  # such a tensor cannot be part of a graph
            with torch.inference_mode(False):
                empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
                twin = empty.set_(
                    tensor.untyped_storage(),
                    tensor.storage_offset(),
                    tensor.shape,
                    tensor.stride(),
                )
        if type(tensor) is nn.Parameter:
            twin = nn.Parameter(twin, requires_grad=False)
        self._copies[id(tensor)] = twin
        return twin

    def _value(self, value: Any) -> Any:
        """Return a value in which the twin's modules and tensors replace the user's.

        Lists and dictionaries are copied, since a pass may write into
        them; values that contain no others are shared.
        """
        if isinstance(value, nn.Module):
            return self._module(value)
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, list | tuple | dict | MethodType | FunctionType | functools.partial):
            if id(value) in self._copies:
                return self._copies[id(value)]
            self._copies[id(value)] = value  # it may contain itself
            self._copies[id(value)] = self._container(value)
            return self._copies[id(value)]
        return value

    def _container(self, value: Any) -> Any:
        if isinstance(value, dict):
            copied = copy.copy(value)
            for key, item in list(value.items()):
                copied[key] = self._value(item)
            return copied
        if isinstance(value, list | tuple):
            parts = [self._value(item) for item in value]
            if isinstance(value, list):
                clone = copy.copy(value)  # of the same class
                clone[:] = parts
                return clone
            if all(part is item for part, item in zip(parts, value, strict=True)):
                return value
            if hasattr(value, "_fields"):  # a named tuple
                return type(value)(*parts)
            return type(value)(parts)
        if isinstance(value, MethodType):
            bound = self._value(value.__self__)
            return value if bound is value.__self__ else MethodType(value.__func__, bound)
        if isinstance(value, functools.partial):
            parts = [self._value(part) for part in (value.func, value.args, value.keywords)]
            if parts[0] is value.func and parts[1] is value.args and parts[2] is value.keywords:
                return value
            return functools.partial(parts[0], *parts[1], **parts[2])
        return self._function(value)

    def _function(self, function: FunctionType) -> FunctionType:
        """Return a function that closes over the twins of the modules in its closure."""
        cells = tuple(self._cell(cell) for cell in function.__closure__ or ())
        if all(new is old for new, old in zip(cells, function.__closure__ or (), strict=True)):
            return function
        copied = FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, cells
        )
        copied.__kwdefaults__ = function.__kwdefaults__
        copied.__dict__.update(function.__dict__)
        return copied

    def _cell(self, cell: CellType) -> CellType:
        try:
            contents = cell.cell_contents
        except ValueError:  # still empty
            return cell
        # Other contents are shared, so that the function still sees what it stores there.
        if not isinstance(contents, nn.Module | MethodType | FunctionType | functools.partial):
            return cell
        twin = self._value(contents)
        return cell if twin is contents else CellType(twin)


_MISSING = object()


def _identity(value: Any) -> Hashable:
    """Return a key by which a value, or the items of a container, can be compared."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return id(value), tuple((id(key), id(item)) for key, item in value.items())
    if isinstance(value, list):
        return id(value), tuple(map(id, value))
    return id(value)
