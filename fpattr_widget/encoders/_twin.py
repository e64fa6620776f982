"""A module's twin: the same computation on the same weights, in objects of our own.

What is put into a twin, such as a stop before a block, is seen by nobody who
runs the module itself. Its parameters are tensors of their own on the module's
storage, so that it takes no memory, weights that are changed in place are seen,
and no gradient can reach them. It is always in evaluation mode. What a pass
itself may write into, buffers and lists, are copies: it is made anew when
these change.
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
#: The module that owns something, by its id, and the name it has there.
Key = tuple[int, str]
# Bytes of buffers that are copied; the larger ones are tables, which nobody writes into.
_MOST_COPIED = 16 * 2**20
#: What every module has in its ``__dict__``; the rest are attributes of its own.
OF_EVERY_MODULE = frozenset(nn.Module().__dict__)


class Twin:
    """A twin of a module.

    Attributes
    ----------
    module
        The twin itself, a module of the same class.
    lock
        Held while it runs: modules may keep things in themselves meanwhile.
        Whoever holds it takes no other lock.
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
        """Tell whether a module is the twin's own."""
        return module in self._sources

    def source(self, module: nn.Module) -> nn.Module:
        """Return the module of the user's that a module of the twin stands for."""
        return self._sources[module]

    def overwritten(self) -> set[Key]:
        """Return the attributes and buffers that the twin's own passes have written.

        What a forward pass itself writes, such as a count of calls or the last
        attention map, is a result and no setting of the model.
        """
        attributes = {
            (id(self._sources[module]), name)
            for module, made in self._made.items()
            for name, value in list(module.__dict__.items())
            if name not in OF_EVERY_MODULE and made.get(name, _MISSING) != _seen(value)
        }
        return attributes | {
            key for key, (now, made) in self._buffers.items() if not torch.equal(now, made)
        }

    def instrument(self, module: nn.Module, forward: Callable[..., Any]) -> None:
        """Let a module of the twin run ``forward`` in the place of its own."""
        module.__dict__["forward"] = forward
        self._made[module]["forward"] = _seen(forward)

    def _module(self, module: nn.Module) -> nn.Module:
        known = self._copies.get(id(module))
        if known is not None:
            return known
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
                # Hooks on backward passes would see ours.
                state[name] = fresh[name]
                if name in _FORWARD_HOOKS:
                    state[name].update(
                        (key, self._value(hook)) for key, hook in list(value.items())
                    )
            elif name != "_compiled_call_impl":  # it would run what was compiled of the module
                state[name] = self._value(value)
        state["training"] = False
        self._sources[twin] = module
        self._made[twin] = {name: _seen(value) for name, value in state.items()}
        return twin

    def _buffer(self, key: Key, buffer: Tensor) -> Tensor:
        """Return a copy of a small buffer: a pass may write into it."""
        size = buffer.numel() * buffer.element_size()
        if id(buffer) in self._copies or self._copied + size > _MOST_COPIED:
            return self._tensor(buffer)
        self._copied += size
        twin = buffer.detach().clone()
        self._copies[id(buffer)] = twin
        self._buffers[key] = twin, twin.clone()
        return twin

    def _tensor(self, tensor: Tensor) -> Tensor:
        known = self._copies.get(id(tensor))
        if known is not None:
            return known
        # Not detach(), which would count the user's changes in place as changes of the twin's.
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
        """Return a value with the twin's modules and tensors in the place of the user's.

        Lists and dictionaries are the twin's own, for a pass may write into
        them; what is no holder of anything is shared.
        """
        if isinstance(value, nn.Module):
            return self._module(value)
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, list | tuple | dict | MethodType | FunctionType | functools.partial):
            if id(value) in self._copies:
                return self._copies[id(value)]
            self._copies[id(value)] = value  # for what holds itself
            self._copies[id(value)] = self._holder(value)
            return self._copies[id(value)]
        return value

    def _holder(self, value: Any) -> Any:
        if isinstance(value, dict):
            copied = copy.copy(value)
            for key, item in list(value.items()):
                copied[key] = self._value(item)
            return copied
        if isinstance(value, list | tuple):
            parts = [self._value(item) for item in value]
            if isinstance(value, list):
                own = copy.copy(value)  # of its own kind
                own[:] = parts
                return own
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
        """Return a function that closes over modules with one that closes over their twins."""
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
            held = cell.cell_contents
        except ValueError:  # not filled yet
            return cell
        # Other contents are shared, and with them what the function keeps there.
        if not isinstance(held, nn.Module | MethodType | FunctionType | functools.partial):
            return cell
        twin = self._value(held)
        return cell if twin is held else CellType(twin)


_MISSING = object()


def _seen(value: Any) -> Hashable:
    """Return what tells a value, or what a holder holds, from another."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return id(value), tuple((id(key), id(item)) for key, item in value.items())
    if isinstance(value, list):
        return id(value), tuple(map(id, value))
    return id(value)
