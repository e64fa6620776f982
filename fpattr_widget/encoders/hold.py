"""Hold a model still while it is explained, and put it back as it was found."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

# Hooks are seen by every thread that runs a model, so one thread at a time does.
_HOLDS: weakref.WeakKeyDictionary[nn.Module, "_Hold"] = weakref.WeakKeyDictionary()
_HOLDS_GUARD = threading.Lock()
HALF = (torch.float16, torch.bfloat16)
# torch's choice of attention kernel is one switch for the whole process.
_KERNEL_LOCK = threading.RLock()


class _Hold:
    """The lock of a model, and how many times its holder has taken it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Hold the model in evaluation mode with constant weights; then put it back as it was."""
    with _HOLDS_GUARD:
        hold = _HOLDS.setdefault(model, _Hold())
    with hold.lock:
        outermost = hold.depth == 0
        modules = list(_modules(model)) if outermost else []
        training = [module for module in modules if module.training]
        learning = [w for module in modules for w in _own(module) if w.requires_grad]
        hold.depth += 1
        try:
            for module in training:
                module.training = False
            for weight in learning:
                weight.requires_grad_(False)
            yield
        finally:
            hold.depth -= 1
            for module in training:
                module.training = True
            for weight in learning:
                weight.requires_grad_(True)


def _modules(model: nn.Module) -> Iterator[nn.Module]:
    # Faster by far than modules(), which names each of them.
    seen, waiting = {model}, [model]
    while waiting:
        module = waiting.pop()
        yield module
        new = [child for child in module._modules.values() if child is not None]
        waiting.extend(child for child in new if child not in seen)
        seen.update(new)


def _own(module: nn.Module) -> Iterator[nn.Parameter]:
    return (weight for weight in module._parameters.values() if weight is not None)


class _SinglePrecisionNorms(TorchFunctionMode):
    """Compute layer norms of half precision in float32, as their kernels do.

    Their forward-mode derivative is made of parts, among them the inverse
    deviation cubed, which half precision cannot hold.
    """

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple = (), named: dict | None = None
    ) -> Any:
        named = named or {}
        if function is not nn.functional.layer_norm or arguments[0].dtype not in HALF:
            return function(*arguments, **named)

        def single(value: Any) -> Any:
            return value.float() if isinstance(value, Tensor) else value

        wide = function(*map(single, arguments), **{k: single(v) for k, v in named.items()})
        return wide.to(arguments[0].dtype)


def _single_precision_norms(model: nn.Module) -> AbstractContextManager[object]:
    # Every operation passes through it, so only where it is needed.
    half = any(w.dtype in HALF for module in _modules(model) for w in _own(module))
    return _SinglePrecisionNorms() if half else nullcontext()


@contextmanager
def differentiable(model: nn.Module) -> Iterator[None]:
    """Hold the model, and use attention kernels that have a forward-mode derivative.

    Flash and memory-efficient attention have none, nor has the fast path of
    ``nn.MultiheadAttention``.
    """
    with undisturbed(model), _KERNEL_LOCK:
        fast_path = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with sdpa_kernel(SDPBackend.MATH), _single_precision_norms(model):
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)


def condition(model: nn.Module) -> int:
    """Return a number that changes when a weight or a hook of the model does."""

    def version(tensor: Tensor) -> int:
        try:
            return tensor._version
        except RuntimeError:  # made in inference mode, and so never changed in place
            return 0

    weights: list[tuple[int, int]] = []
    hooks: list[int] = []
    for module in _modules(model):
        for tensor in chain(module._parameters.values(), module._buffers.values()):
            if tensor is not None:
                weights.append((tensor.data_ptr(), version(tensor)))
        if module._forward_pre_hooks or module._forward_hooks:
            hooks.extend((*module._forward_pre_hooks, *module._forward_hooks))
    return hash((tuple(weights), tuple(hooks)))
