"""Forward-mode derivatives through a model whose weights are constant.

torch's own derivatives of linear maps and of layer norms reckon with weights
that change: they multiply once more, with zeros, in many small steps. What
takes their place here is the same derivative, and about half the work.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn
from torch.func import jvp
from torch.overrides import TorchFunctionMode

from ..encoders.hold import HALF

#: Differentiates a function: it is given for each argument where it is and along what.
Push = Callable[..., Tensor]


def pushed(function: Callable[..., Tensor], *points: tuple[Tensor, Tensor]) -> Tensor:
    """Return the derivative of ``function`` along one tangent of each of its arguments."""
    with forward_ad.dual_level(), _ConstantWeights():
        out = function(*(forward_ad.make_dual(at, along) for at, along in points))
        value, tangent = forward_ad.unpack_dual(out)
        return torch.zeros_like(value) if tangent is None else tangent


def pushed_together(function: Callable[..., Tensor], *points: tuple[Tensor, Tensor]) -> Tensor:
    """Return the same inside ``vmap``, where many tangents go along at once."""
    at, along = zip(*points, strict=True)
    return jvp(function, at, along)[1]


class _ConstantWeights(TorchFunctionMode):
    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple = (), named: dict | None = None
    ) -> Any:
        faster = _FASTER.get(function, function)
        return faster(*arguments, **(named or {}))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    if not _constant(weight, bias):
        return nn.functional.linear(input, weight, bias)
    return _Linear.apply(input, weight, bias)


def _layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Any:
    usual = weight is not None and bias is not None and len(normalized_shape) == 1
    if not usual or input.dtype in HALF or not _constant(weight, bias):
        return nn.functional.layer_norm(input, normalized_shape, weight, bias, eps)
    return _LayerNorm.apply(input, weight, bias, eps)


def _constant(*weights: Tensor | None) -> bool:
    """Tell whether weights are a model's own; others may depend on the input."""
    return all(weight is None or isinstance(weight, nn.Parameter) for weight in weights)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        context.weight = weight
        return nn.functional.linear(states, weight, bias)

    @staticmethod
    def jvp(context: Any, tangent: Tensor, *_: Any) -> Tensor:
        return nn.functional.linear(tangent, context.weight)


class _LayerNorm(torch.autograd.Function):
    """``gain · x̂ + bias`` with ``x̂ = (x − mean) / deviation``, over the last dimension."""

    @staticmethod
    def forward(context: Any, states: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
        size = states.shape[-1:]
        normal, _, precision = torch.native_layer_norm(states, size, None, None, eps)
        context.normal, context.scale = normal, precision * gain
        return torch.addcmul(bias, normal, gain)

    @staticmethod
    def jvp(context: Any, tangent: Tensor, *_: Any) -> Tensor:
        normal = context.normal
        shared = (normal * tangent).mean(-1, keepdim=True)
        moved = tangent - tangent.mean(-1, keepdim=True) - normal * shared
        return moved * context.scale


_FASTER: dict[Any, Callable[..., Any]] = {
    nn.functional.linear: _linear,
    nn.functional.layer_norm: _layer_norm,
}
