"""Contexts in which a tower's passes run.

They hold for one thread alone: torch's settings of the whole process, such as its choice of
attention kernel, would be seen by other threads.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

HALF = (torch.float16, torch.bfloat16)
_attention = nn.functional.scaled_dot_product_attention
_multi_head = nn.functional.multi_head_attention_forward


@contextmanager
def without_autocast(device: torch.device) -> Iterator[None]:
    """Compute in the weights' own type, whatever the caller's autocast or inference mode."""
    with torch.inference_mode(False), torch.autocast(device.type, enabled=False):
        yield


@contextmanager
def differentiable(device: torch.device, *, half: bool) -> Iterator[None]:
    """Use operations that can be differentiated twice, on this thread.

    Flash and memory-efficient attention cannot, nor can the fast path of
    ``nn.MultiheadAttention``.

    Parameters
    ----------
    device
        The weights' device.
    half
        Whether some weights are of half precision.
    """
    norms = _SinglePrecisionNorms() if half else nullcontext()
    with without_autocast(device), norms, _PlainAttention():
        yield


class _PlainAttention(TorchFunctionMode):
    """Compute attention by its formula, without fused kernels."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple = (), named: dict | None = None
    ) -> Any:
        named = named or {}
        if function is _attention:
            return _attention_by_formula(*arguments, **named)
        if function is _multi_head:
            # It calls no fused kernel when it has to return its weights.
            wanted = named.get("need_weights", True)
            output, weights = function(*arguments, **{**named, "need_weights": True})
            return output, weights if wanted else None
        return function(*arguments, **named)


def _attention_by_formula(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        seen = attn_mask
        attn_mask = torch.zeros_like(seen, dtype=query.dtype).masked_fill(~seen, -torch.inf)
    return torch._scaled_dot_product_attention_math(
        query,
        key,
        value,
        attn_mask,
        dropout_p,
        is_causal,
        None,
        scale=scale,
        enable_gqa=enable_gqa,
    )[0]


class _SinglePrecisionNorms(TorchFunctionMode):
    """Compute layer norms of half precision in float32, as their kernels do.

    Their second derivative contains the cube of the inverse deviation, which half precision
    cannot hold.
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
