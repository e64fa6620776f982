"""The last block of a tower, where its shape is known.

When one position is pooled, or a few are read, changes of different features never
meet before that: feature ``j`` acts through its own key and value alone, and all that
comes after acts at the positions that are read alone. The parts that the closed form
needs are gathered here; the mathematics is in ``methods._closed_form``.

A description reads the weights of some modules and bypasses others: those
that compute keys, values and attention at all positions. There is one only
while these do what their class does: linear maps have to be ordinary linear
layers, without hooks and with no ``forward`` of their own (a LoRA layer has the
``weight`` of its base, and adds to it). What it calls as a module, such as an MLP,
may be anything.

It is used only after its value has been compared with the model's own
embedding, :func:`agree`, and its derivative with the module's own,
:func:`sample_jacobian`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _global_forward_hooks, _global_forward_pre_hooks

from ._inputs import Inputs

# Relative distances from the module that rounding explains. Eager attention
# computes its softmax in float32 whatever the precision.
_TOLERANCES = {
    torch.float64: 1e-6,
    torch.float32: 1e-4,
    torch.float16: 4 * torch.finfo(torch.float16).eps,
    torch.bfloat16: 4 * torch.finfo(torch.bfloat16).eps,
}
# The precision in which products of float32 are computed; TensorFloat32 has float16's mantissa.
_PRODUCT_PRECISION = {"highest": torch.float32, "high": torch.float16, "medium": torch.bfloat16}
#: Where on the path from reference to input derivatives are compared: an arbitrary node.
SAMPLE_NODE = 0.37

#: The rest of a tower after its last block: the state at the pooled position, (B, width), or
#: the states at R positions that are read, (B, R, width), to (B, K).
Tail = Callable[[Tensor], Tensor]
#: A linear map: its weight, (out, in), and its bias, (out,) or None.
Linear = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class AttentionPooling:
    """Description of a block whose output is read at R positions, which attend to all features.

    Attributes
    ----------
    norm
        The layer norm before the attention; ``None`` where there is none.
    query
        The linear map from the state of a position that is read to its query, or the one
        query itself where that is a learnt constant, ``(heads · size,)``.
    key, value
        The linear maps from the features' states.
    heads
        Number of attention heads.
    positions
        The features whose output is read, R of them; ``None`` where the query is a constant.
    seen
        Which features are attended to, ``(features,)`` bool; ``None`` for all.
    finish
        The rest of the tower: from the attention's weighted values ``(B, R, heads · size)``
        and the states of the positions that are read ``(B, R, width)`` to ``(B, K)``; R is one
        where the query is a constant.
    """

    norm: nn.LayerNorm | None
    query: Linear | Tensor
    key: Linear
    value: Linear
    heads: int
    positions: tuple[int, ...] | None
    seen: Tensor | None
    finish: Callable[[Tensor, Tensor], Tensor]

    def attend(self, states: Tensor) -> "Attended":
        """Run the block's attention at the positions that are read; see :meth:`embed`."""
        assert self.positions is not None
        assert not isinstance(self.query, Tensor)
        linear = nn.functional.linear
        normed = states if self.norm is None else self.norm(states)
        where = list(self.positions)
        projected = (
            linear(normed[:, where], *self.query),
            linear(normed, *self.key),
            linear(normed, *self.value),
        )
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in projected
        )
        scores = query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5  # (B, heads, R, features)
        if self.seen is not None:
            scores = scores.masked_fill(~self.seen, -torch.inf)
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return Attended(*projected, mixed, states[:, where])

    def embed(self, states: Tensor) -> Tensor:
        """Run the block and the rest of the tower: ``(B, features, width)`` to ``(B, K)``.

        Only for blocks with ``positions``. Where these are few, it is far less work than the
        block itself, which computes its output at every position.
        """
        attended = self.attend(states)
        return self.finish(attended.mixed, attended.states)


@dataclass(frozen=True)
class Attended:
    """What the attention of a block computes for the R positions that are read.

    Attributes
    ----------
    query
        Of the positions, ``(B, R, heads · size)``.
    key, value
        Of all features, ``(B, features, heads · size)``.
    mixed
        The values weighted by attention, ``(B, R, heads · size)``.
    states
        The states of the positions, ``(B, R, width)``.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    mixed: Tensor
    states: Tensor


@dataclass(frozen=True)
class MeanPooling:
    """Description of a tower that embeds an input as the mean of its features."""


def agree(value: Tensor, embedding: Tensor) -> bool:
    """Return whether a description's value for an input is the model's own embedding."""
    return _relative_distance(value, embedding) <= _tolerance(embedding.dtype)


@dataclass(frozen=True)
class JacobianSample:
    """A module's value and Jacobian products at one node between reference and input.

    Attributes
    ----------
    value
        The embedding at the node, ``(K,)``.
    cotangent
        A fixed pseudo-random direction, ``(K,)``.
    products
        ``cotangent · J (x_j − r_j)`` of each feature ``j``, ``(features,)``.
    """

    value: Tensor
    cotangent: Tensor
    products: Tensor

    @property
    def conclusive(self) -> bool:
        """Whether any product differs from zero, so that there is something to compare."""
        return bool(self.products.norm() > 0)

    def matches(self, value: Tensor, products: Tensor) -> bool:
        """Return whether a description's value and products are the module's own."""
        tolerance = _tolerance(self.value.dtype)
        return (
            _relative_distance(value, self.value) <= tolerance
            and _relative_distance(products, self.products) <= tolerance
        )


def sample_jacobian(rest: Callable[[Tensor], Tensor], start: Tensor, end: Tensor) -> JacobianSample:
    """Differentiate a module at one node between reference and input, in one reverse pass.

    Parameters
    ----------
    rest
        From what enters the last block to embeddings, ``(B, features, width)``
        to ``(B, K)``; called in a context in which it is differentiable.
    start, end
        What enters the last block for the reference and for the input,
        ``(features, width)``.
    """
    precise = torch.promote_types(end.dtype, torch.float32)
    change = end.to(precise) - start.to(precise)
    with torch.enable_grad():
        states = (start.to(precise) + SAMPLE_NODE * change).to(end.dtype).requires_grad_()
        value = rest(states[None])[0]
        # Entries near one: products of smaller ones would vanish in half precision.
        generator = torch.Generator().manual_seed(0)
        cotangent = torch.randn(len(value), generator=generator).to(value)
        (gradient,) = torch.autograd.grad(value, states, cotangent)
    return JacobianSample(value.detach(), cotangent, (gradient.to(precise) * change).sum(-1))


def _tolerance(dtype: torch.dtype) -> float:
    if dtype == torch.float32:
        # A GPU may be set to multiply in lower precision.
        try:
            dtype = _PRODUCT_PRECISION[torch.get_float32_matmul_precision()]
        except RuntimeError:  # set backend by backend, so that there is no common answer
            dtype = torch.float16
    return _TOLERANCES.get(dtype, 1e-4)


def _relative_distance(value: Tensor, expected: Tensor) -> float:
    """Return ``‖value − expected‖ / ‖expected‖``; NaN if either holds NaN."""
    scale = float(expected.double().norm())
    distance = float((value.double() - expected.double()).norm())
    return distance / scale if scale else distance


def attention_pooling(
    block: nn.Module,
    tail: Tail,
    position: Callable[[Inputs], int] = lambda _: 0,
    *,
    causal: bool = False,
) -> Callable[[Inputs], AttentionPooling | None] | None:
    """Describe a transformer block whose output is read at one position.

    An ``attention_mask`` among the tower's inputs hides the positions where it is 0.

    Parameters
    ----------
    block
        The last block.
    tail
        What the tower does afterwards with the state at that position.
    position
        Returns the position, given the tower's inputs; by default the first.
    causal
        Whether a position attends only to itself and those before it.

    Returns
    -------
    callable or None
        ``None`` when the block's layout is not known here; the callable returns ``None`` while
        a module that the description would read or bypass is wrapped, replaced or
        has a hook. Automatic differentiation then gives the same result.
    """

    def pooled(states: Tensor) -> Tensor:
        return tail(states[:, 0])

    return _described(block, pooled, lambda inputs: (position(inputs),), causal=causal)


def attention_reading(
    block: nn.Module, tail: Tail, positions: Callable[[Inputs], Sequence[int]]
) -> Callable[[Inputs], AttentionPooling | None] | None:
    """Describe a transformer block whose output is read at several positions.

    As :func:`attention_pooling`, but for what follows:

    Parameters
    ----------
    block
        The last block, in which all positions attend to all.
    tail
        What the tower does afterwards with the states at R positions, ``(B, R, width)`` to
        ``(B, K)``.
    positions
        Returns the positions, given the tower's inputs; none twice.
    """
    return _described(block, tail, positions, causal=False)


def _described(
    block: nn.Module,
    tail: Tail,
    positions: Callable[[Inputs], Sequence[int]],
    *,
    causal: bool,
) -> Callable[[Inputs], AttentionPooling | None] | None:
    """Describe a block that is read at positions; at a single one where it is causal."""
    layout = next((layout for layout in _KNOWN_LAYOUTS if _parts(layout, block)), None)
    if layout is None:
        return None

    def describe(inputs: Inputs) -> AttentionPooling | None:
        # Anew each time: modules may have been wrapped, and slices of weights do not
        # follow a model to another device.
        parts = _parts(layout, block)
        if parts is None or not may_be_bypassed(block, read=parts.read, called=parts.called):
            return None
        read = tuple(positions(inputs))
        mask = inputs.get("attention_mask")
        seen = None if mask is None else mask[0].bool()
        if causal:
            (pooled,) = read
            count = inputs["input_ids"].shape[1]
            before = torch.arange(count, device=inputs["input_ids"].device) <= pooled
            seen = before if seen is None else before & seen
        return AttentionPooling(
            parts.norm,
            *parts.maps,
            parts.heads,
            read,
            seen,
            lambda mixed, states: tail(parts.body(mixed, states)),
        )

    return describe


def attention_head(
    norm: nn.LayerNorm, head: Any, tail: Tail = lambda state: state
) -> Callable[[Inputs], AttentionPooling | None]:
    """Describe SigLIP's pooling head, in which a learnt query attends to the normalised states.

    The callable returns ``None`` where that of :func:`attention_pooling` does.
    """

    def finish(mixed: Tensor, _state: Tensor) -> Tensor:
        state = head.attention.out_proj(mixed[:, 0])
        return tail(state + head.mlp(head.layernorm(state)))

    def describe(inputs: Inputs) -> AttentionPooling | None:
        if not isinstance(head.attention, nn.MultiheadAttention) or not may_be_bypassed(
            norm, head, read=[head.attention.out_proj], called=[head.layernorm, head.mlp]
        ):
            return None
        query, key, value = _packed(head.attention.in_proj_weight, head.attention.in_proj_bias)
        probe = nn.functional.linear(head.probe[0, 0], *query)
        heads = head.attention.num_heads
        mask = inputs.get("pixel_attention_mask")
        seen = None if mask is None else mask[0].bool()
        return AttentionPooling(norm, probe, key, value, heads, None, seen, finish)

    return describe


def mean_pooling() -> Callable[[Inputs], MeanPooling]:
    """Describe a tower that embeds an input as the mean of its features."""
    return lambda _inputs: MeanPooling()


def may_be_bypassed(
    *modules: nn.Module, read: Iterable[nn.Module], called: Iterable[nn.Module]
) -> bool:
    """Return whether a description may take the place of modules.

    Parameters
    ----------
    modules
        The modules to be bypassed. No part of them may have a hook, or another
        ``forward`` than its class.
    read
        Linear maps whose weights the description reads; they may not be wrapped.
    called
        Parts that the description calls as modules; they may be anything.
    """
    if _global_forward_hooks or _global_forward_pre_hooks:
        return False
    run_as_they_are = {part for module in called for part in module.modules()}
    bypassed = {part for module in modules for part in module.modules()} - run_as_they_are
    return all(map(_is_unmodified, bypassed)) and all(map(_is_linear, read))


def _is_unmodified(module: nn.Module) -> bool:
    """Return whether a module has no hooks and its class's own ``forward``."""
    hooks = (
        module._forward_pre_hooks,
        module._forward_hooks,
        module._backward_pre_hooks,
        module._backward_hooks,
    )
    forward = module.forward
    # A tower's instrumented block computes what the block does.
    forward = getattr(forward, "in_place_of", forward)
    return not any(hooks) and getattr(forward, "__func__", None) is type(module).forward


def _is_linear(module: nn.Module) -> bool:
    """Return whether a module multiplies by its weight, adds its bias, and does nothing else.

    A parametrised weight may be read, since it is computed at that moment. A packed or
    quantised weight may not.
    """
    if type(module).forward is not nn.Linear.forward or not _is_unmodified(module):
        return False
    return type(module.weight) in (Tensor, nn.Parameter)


@dataclass(frozen=True)
class _Parts:
    """The parts of a block whose layout is known.

    ``maps`` are those of query, key and value; ``body`` returns the block's output at a position,
    from the weighted values and the state there. For ``read`` and ``called`` see
    :func:`may_be_bypassed`.
    """

    norm: nn.LayerNorm | None
    maps: tuple[Linear, Linear, Linear]
    heads: int
    body: Callable[[Tensor, Tensor], Tensor]
    read: tuple[nn.Module, ...]
    called: tuple[nn.Module, ...]


def _parts(layout: Callable[[Any], _Parts], block: nn.Module) -> _Parts | None:
    """Return the parts of a block, or ``None`` where it has another layout."""
    try:
        parts = layout(block)
    except (AttributeError, ValueError):
        return None
    return parts if parts.norm is None or isinstance(parts.norm, nn.LayerNorm) else None


def _linears(query: Any, key: Any, value: Any) -> tuple[Linear, Linear, Linear]:
    return (query.weight, query.bias), (key.weight, key.bias), (value.weight, value.bias)


def _packed(weight: Tensor, bias: Tensor | None) -> tuple[Linear, Linear, Linear]:
    biases = (None, None, None) if bias is None else bias.chunk(3)
    query, key, value = zip(weight.chunk(3), biases, strict=True)
    return query, key, value


def _clip_block(block: Any) -> _Parts:
    attention = block.self_attn
    out, norm, mlp = attention.out_proj, block.layer_norm2, block.mlp
    read = (attention.q_proj, attention.k_proj, attention.v_proj)

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + out(mixed)
        return state + mlp(norm(state))

    maps = _linears(*read)
    return _Parts(block.layer_norm1, maps, attention.num_heads, body, read, (out, norm, mlp))


def _blip_block(block: Any) -> _Parts:
    attention = block.self_attn
    out, norm, mlp = attention.projection, block.layer_norm2, block.mlp

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + out(mixed)
        return state + mlp(norm(state))

    maps = _packed(attention.qkv.weight, attention.qkv.bias)
    heads, called = attention.num_heads, (out, norm, mlp)
    return _Parts(block.layer_norm1, maps, heads, body, (attention.qkv,), called)


def _vit_block(block: Any) -> _Parts:
    attention = block.attention
    out, norm, mlp = attention.o_proj, block.layernorm_after, block.mlp
    read = (attention.q_proj, attention.k_proj, attention.v_proj)

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + out(mixed)
        return state + mlp(norm(state))

    maps, heads = _linears(*read), attention.num_attention_heads
    return _Parts(block.layernorm_before, maps, heads, body, read, (out, norm, mlp))


def _dinov2_block(block: Any) -> _Parts:
    attention = block.attention
    scale_1, scale_2 = block.layer_scale1, block.layer_scale2
    out, norm, mlp = attention.o_proj, block.norm2, block.mlp
    read = (attention.q_proj, attention.k_proj, attention.v_proj)

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + scale_1(out(mixed))
        return state + scale_2(mlp(norm(state)))

    maps, heads = _linears(*read), attention.num_attention_heads
    called = (out, scale_1, norm, mlp, scale_2)
    return _Parts(block.norm1, maps, heads, body, read, called)


def _flava_block(block: Any) -> _Parts:
    """Return the parts of ViT's block in BERT's modules, as in FLAVA and older towers."""
    attention = block.attention.attention
    out, norm = block.attention.output.dense, block.layernorm_after
    inner, outer = block.intermediate, block.output.dense
    read = (attention.query, attention.key, attention.value)

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + out(mixed)
        return state + outer(inner(norm(state)))

    maps, heads = _linears(*read), attention.num_attention_heads
    return _Parts(block.layernorm_before, maps, heads, body, read, (out, norm, inner, outer))


def _bert_block(block: Any) -> _Parts:
    attention = block.attention.self
    # BERT normalises after each sum; variants that normalise before have no norm here.
    if not hasattr(block.output, "LayerNorm"):
        raise AttributeError("LayerNorm")
    middle, inner, outer = block.attention.output, block.intermediate, block.output
    read = (attention.query, attention.key, attention.value)

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = middle(mixed, state)
        return outer(inner(state), state)

    maps, heads = _linears(*read), attention.num_attention_heads
    return _Parts(None, maps, heads, body, read, (middle, inner, outer))


def _openai_block(block: Any) -> _Parts:
    """Return the parts of OpenAI's and OpenCLIP's residual attention block."""
    attention = block.attn
    _require_only(block, "ln_1", "attn", "ls_1", "ln_2", "mlp", "ls_2")
    _require_only(attention, "in_proj_weight", "in_proj_bias", "out_proj")
    scale_1 = getattr(block, "ls_1", nn.Identity())
    scale_2 = getattr(block, "ls_2", nn.Identity())
    out, norm, mlp = attention.out_proj, block.ln_2, block.mlp

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + scale_1(out(mixed))
        return state + scale_2(mlp(norm(state)))

    maps = _packed(attention.in_proj_weight, attention.in_proj_bias)
    # torch's own attention does not call its output map, but reads its weights.
    read = (out,) if isinstance(attention, nn.MultiheadAttention) else ()
    called = (scale_1, norm, mlp, scale_2, *(() if read else (out,)))
    return _Parts(block.ln_1, maps, attention.num_heads, body, read, called)


def _timm_block(block: Any) -> _Parts:
    """Return the parts of a block of timm's VisionTransformer."""
    attention, scale_1, scale_2 = block.attn, block.ls1, block.ls2
    drops = ("drop_path1", "drop_path2")
    _require_only(block, "norm1", "attn", "ls1", "norm2", "mlp", "ls2", *drops)
    _require_only(attention, "qkv", "norm", "proj")
    inner_norm = getattr(attention, "norm", nn.Identity())
    out, norm, mlp = attention.proj, block.norm2, block.mlp

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + scale_1(out(inner_norm(mixed)))
        return state + scale_2(mlp(norm(state)))

    maps = _packed(attention.qkv.weight, attention.qkv.bias)
    called = (inner_norm, out, scale_1, norm, mlp, scale_2)
    return _Parts(block.norm1, maps, attention.num_heads, body, (attention.qkv,), called)


def does_nothing(part: Any) -> bool:
    """Return whether an optional part of a module is missing, or has no effect on inference."""
    return part is None or isinstance(part, nn.Identity | nn.Dropout)


def _require_only(module: nn.Module, *names: str) -> None:
    """Raise if a module has parts that its layout does not expect, such as norms of its queries."""
    parts = (*module.named_children(), *module.named_parameters(recurse=False))
    for name, part in parts:
        if name not in names and not does_nothing(part):
            raise AttributeError(f"{name} is not a part of this layout")


_KNOWN_LAYOUTS = (
    _clip_block,
    _blip_block,
    _vit_block,
    _dinov2_block,
    _flava_block,
    _bert_block,
    _openai_block,
    _timm_block,
)
