"""The last block of a tower, where its shape is known.

When one position is pooled, changes of different features never meet before
pooling: feature ``j`` acts through its own key and value alone, and all that
comes after acts at the pooled position alone. What is needed to say so in
closed form is gathered here; the mathematics is in ``methods.closed_form``.

A description reads the weights of some modules and goes around others: those
that compute keys, values and attention at all positions. It is given only
while these are what they seem: linear maps that are plain linear layers, with
no hook and no ``forward`` of their own (a LoRA layer has the ``weight`` of its
base, and adds to it). What it calls as a module, such as an MLP, may be anything.

It is trusted only after its value has been compared with the model's own
embedding, :func:`agree`, and its derivative with the module's own,
:func:`witness`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _global_forward_hooks, _global_forward_pre_hooks

from ._inputs import Inputs

# How far a description may be from the module: a few roundings. Eager attention
# rounds its softmax to float32 in any precision.
_ALLOWED = {
    torch.float64: 1e-6,
    torch.float32: 1e-4,
    torch.float16: 4 * torch.finfo(torch.float16).eps,
    torch.bfloat16: 4 * torch.finfo(torch.bfloat16).eps,
}
# TensorFloat32 has the mantissa of float16.
_MULTIPLIED_AS = {"highest": torch.float32, "high": torch.float16, "medium": torch.bfloat16}
#: Where between reference and input derivatives are compared: nowhere in particular.
NODE = 0.37

#: The rest of a tower after its last block, at the pooled position: (B, width) to (B, K).
Tail = Callable[[Tensor], Tensor]
#: A linear map: its weight, (out, in), and its bias, (out,) or None.
Linear = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class AttentionPooling:
    """A block whose output is read at one position that attends to all features.

    Attributes
    ----------
    norm
        The layer norm before the attention; ``None`` where there is none.
    query
        The map of the pooled position's state to its query, or the query
        itself where that is a learnt constant, ``(heads · size,)``.
    key, value
        The maps of the features' states.
    heads
        Number of attention heads.
    position
        The pooled feature; ``None`` where the query is a constant.
    seen
        Which features are attended to, ``(features,)`` bool; ``None`` for all.
    finish
        All that follows: the attention's mixed values ``(B, heads · size)``
        and the pooled position's state ``(B, width)``, to ``(B, K)``.
    """

    norm: nn.LayerNorm | None
    query: Linear | Tensor
    key: Linear
    value: Linear
    heads: int
    position: int | None
    seen: Tensor | None
    finish: Callable[[Tensor, Tensor], Tensor]

    def embed(self, states: Tensor) -> Tensor:
        """Return what the block, and all that follows, make of the states that enter it.

        ``(B, features, width)`` to ``(B, K)``. Far less work than the block
        does itself, which computes what leaves it at every position; so it is
        for blocks that have a ``position``.
        """
        assert self.position is not None
        assert not isinstance(self.query, Tensor)
        linear = nn.functional.linear
        read = states if self.norm is None else self.norm(states)
        query = linear(read[:, self.position], *self.query).unflatten(-1, (self.heads, 1, -1))
        key, value = (
            linear(read, *part).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.key, self.value)
        )
        scores = query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5  # (B, heads, 1, features)
        if self.seen is not None:
            scores = scores.masked_fill(~self.seen, -torch.inf)
        mixed = (scores.softmax(-1) @ value).flatten(1)
        return self.finish(mixed, states[:, self.position])


@dataclass(frozen=True)
class MeanPooling:
    """The features' mean, and all that follows it: ``finish``, (B, width) to (B, K)."""

    finish: Tail


def agree(value: Tensor, embedding: Tensor) -> bool:
    """Tell whether a description's value for an input is the model's own embedding."""
    return _gap(value, embedding) <= _allowed(embedding.dtype)


@dataclass(frozen=True)
class Witness:
    """What a module gives at one place between reference and input.

    Attributes
    ----------
    value
        The embedding there, ``(K,)``.
    cotangent
        A fixed direction of no particular meaning, ``(K,)``.
    products
        ``cotangent · J (x_j − r_j)`` of each feature ``j``, ``(features,)``.
    """

    value: Tensor
    cotangent: Tensor
    products: Tensor

    @property
    def conclusive(self) -> bool:
        """Whether there is any change to compare."""
        return bool(self.products.norm() > 0)

    def confirms(self, value: Tensor, products: Tensor) -> bool:
        """Tell whether a description's value and products are the module's own."""
        allowed = _allowed(self.value.dtype)
        return _gap(value, self.value) <= allowed and _gap(products, self.products) <= allowed


def witness(rest: Callable[[Tensor], Tensor], start: Tensor, end: Tensor) -> Witness:
    """Differentiate a module at one place between reference and input, in one reverse pass.

    Parameters
    ----------
    rest
        From what enters the last block to embeddings, ``(B, features, width)``
        to ``(B, K)``; held so that it may be differentiated.
    start, end
        What enters the last block for the reference and for the input,
        ``(features, width)``.
    """
    wide = torch.promote_types(end.dtype, torch.float32)
    change = end.to(wide) - start.to(wide)
    with torch.enable_grad():
        states = (start.to(wide) + NODE * change).to(end.dtype).requires_grad_()
        value = rest(states[None])[0]
        # Entries near one: what is smaller is soon lost in half precision.
        generator = torch.Generator().manual_seed(0)
        cotangent = torch.randn(len(value), generator=generator).to(value)
        (gradient,) = torch.autograd.grad(value, states, cotangent)
    return Witness(value.detach(), cotangent, (gradient.to(wide) * change).sum(-1))


def _allowed(dtype: torch.dtype) -> float:
    if dtype == torch.float32:
        # A GPU may be allowed to round what it multiplies.
        try:
            dtype = _MULTIPLIED_AS[torch.get_float32_matmul_precision()]
        except RuntimeError:  # set for each backend, and not told for all
            dtype = torch.float16
    return _ALLOWED.get(dtype, 1e-4)


def _gap(found: Tensor, expected: Tensor) -> float:
    """Return how far apart two vectors are, relative to the second; NaN where one has it."""
    size = float(expected.double().norm())
    gap = float((found.double() - expected.double()).norm())
    return gap / size if size else gap


def attention_pooling(
    block: nn.Module,
    tail: Tail,
    position: Callable[[Inputs], int] = lambda _: 0,
    *,
    causal: bool = False,
    mask: str = "attention_mask",
) -> Callable[[Inputs], AttentionPooling | None] | None:
    """Describe a transformer block whose output is read at one position.

    Parameters
    ----------
    block
        The last block.
    tail
        What the tower does afterwards with the state at that position.
    position
        Tells the position from the tower's inputs; the first unless told.
    causal
        Whether a position sees only those before it.
    mask
        Name of the input that holds 0 where nothing is to be seen.

    Returns
    -------
    callable or None
        ``None`` when the block is of no shape known here; the general path
        then does the same work. So it does while the callable returns
        ``None``: when what the description would read or go around has been
        wrapped, replaced or given a hook.
    """
    recognise = next((shape for shape in _KNOWN_SHAPES if _parts(shape, block)), None)
    if recognise is None:
        return None

    def describe(inputs: Inputs) -> AttentionPooling | None:
        # Anew each time: modules may have been wrapped, and parts of weights do not
        # follow a model that is moved elsewhere.
        parts = _parts(recognise, block)
        if parts is None or not may_be_read(block, read=parts.read, called=parts.called):
            return None
        pooled = position(inputs)
        seen = inputs[mask][0].bool() if mask in inputs else None
        if causal:
            count = inputs["input_ids"].shape[1]
            before = torch.arange(count, device=inputs["input_ids"].device) <= pooled
            seen = before if seen is None else before & seen
        return AttentionPooling(
            parts.norm,
            *parts.maps,
            parts.heads,
            pooled,
            seen,
            lambda mixed, state: tail(parts.body(mixed, state)),
        )

    return describe


def attention_head(
    norm: nn.LayerNorm, head: Any, tail: Tail = lambda state: state
) -> Callable[[Inputs], AttentionPooling | None]:
    """Describe SigLIP's pooling head: a learnt probe attends to the normalised states.

    What is returned gives ``None`` where :func:`attention_pooling`'s does.
    """

    def finish(mixed: Tensor, _state: Tensor) -> Tensor:
        state = head.attention.out_proj(mixed)
        return tail(state + head.mlp(head.layernorm(state)))

    def describe(inputs: Inputs) -> AttentionPooling | None:
        if not isinstance(head.attention, nn.MultiheadAttention) or not may_be_read(
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


def mean_pooling(finish: Tail = lambda pooled: pooled) -> Callable[[Inputs], MeanPooling]:
    """Describe a tower that ends in the mean of its features."""
    return lambda _inputs: MeanPooling(finish)


def may_be_read(*around: nn.Module, read: Iterable[nn.Module], called: Iterable[nn.Module]) -> bool:
    """Tell whether a description may take the place of modules.

    Parameters
    ----------
    around
        The modules that it takes the place of: no part of them may have a
        hook, or a ``forward`` of its own in the place of its class's.
    read
        Linear maps whose weights it reads: they are not to be wrapped.
    called
        The parts that it calls as the modules they are. These may be anything.
    """
    if _global_forward_hooks or _global_forward_pre_hooks:
        return False
    respected = {part for module in called for part in module.modules()}
    parts = {part for module in around for part in module.modules()} - respected
    return all(map(_is_untouched, parts)) and all(map(_is_linear, read))


def _is_untouched(module: nn.Module) -> bool:
    hooks = (
        module._forward_pre_hooks,
        module._forward_hooks,
        module._backward_pre_hooks,
        module._backward_hooks,
    )
    forward = module.forward
    # By way of a tower a block runs as it does by itself.
    forward = getattr(forward, "in_place_of", forward)
    return not any(hooks) and getattr(forward, "__func__", None) is type(module).forward


def _is_linear(module: nn.Module) -> bool:
    """Tell whether a module multiplies with its weight, adds its bias, and does no more.

    A parametrised weight is computed when it is read, and so may be read. What
    stands for a packed or quantised weight may not.
    """
    if type(module).forward is not nn.Linear.forward or not _is_untouched(module):
        return False
    return type(module.weight) in (Tensor, nn.Parameter)


@dataclass(frozen=True)
class _Parts:
    """A block of a known shape, taken apart.

    ``maps`` are those of query, key and value; ``body`` is the block's own way
    from mixed values and state to its output at that position. For ``read``
    and ``called`` see :func:`may_be_read`.
    """

    norm: nn.LayerNorm | None
    maps: tuple[Linear, Linear, Linear]
    heads: int
    body: Callable[[Tensor, Tensor], Tensor]
    read: tuple[nn.Module, ...]
    called: tuple[nn.Module, ...]


def _parts(shape: Callable[[Any], _Parts], block: nn.Module) -> _Parts | None:
    """Take a block apart, or return ``None`` where it is of another shape."""
    try:
        parts = shape(block)
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
    """ViT's block in BERT's modules, as FLAVA and older towers have it."""
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
    # Its norms stand behind the sums; kin that normalise before have none there.
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
    """OpenAI's and OpenCLIP's residual attention block."""
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
    # torch's own attention does not call its output's map, but reads it as well.
    read = (out,) if isinstance(attention, nn.MultiheadAttention) else ()
    called = (scale_1, norm, mlp, scale_2, *(() if read else (out,)))
    return _Parts(block.ln_1, maps, attention.num_heads, body, read, called)


def _timm_block(block: Any) -> _Parts:
    """A block of timm's VisionTransformer."""
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
    """Tell whether an optional part of a module is not there, or has no effect on inference."""
    return part is None or isinstance(part, nn.Identity | nn.Dropout)


def _require_only(module: nn.Module, *names: str) -> None:
    """Refuse a block with parts that its shape does not tell, such as norms of its queries."""
    parts = (*module.named_children(), *module.named_parameters(recurse=False))
    for name, part in parts:
        if name not in names and not does_nothing(part):
            raise AttributeError(f"{name} is not a part of this shape of block")


_KNOWN_SHAPES = (
    _clip_block,
    _blip_block,
    _vit_block,
    _dinov2_block,
    _flava_block,
    _bert_block,
    _openai_block,
    _timm_block,
)
